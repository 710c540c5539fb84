// What travels over the API, declared once beside its route. A shape is a JSON Schema (the part of draft
// 2020-12 that is made here): what comes in is held against it, the OpenAPI document publishes it, and the
// pages' types are made of it.
#pragma once

#include <initializer_list>

#include "base/json.h"
#include "base/result.h"

namespace mamori::api {

using Shape = json::object;
using Members = std::initializer_list<std::pair<std::string_view, Shape>>;

namespace shape {

Shape text(std::size_t longest = 0);  // in characters; 0: as long as the request may be
Shape day();                          // 2026-11-21, or "" for none
Shape instant();                      // 2026-11-21T03:00:00Z
Shape integer();
Shape integer(std::int64_t least, std::int64_t most);
Shape number();
Shape boolean();
Shape value();  // what a field of a record may hold: text, number, boolean, nothing
Shape any();
Shape one_of(std::initializer_list<std::string_view> values);
Shape list(Shape of);
Shape map(Shape of);                                    // by names that are not known here
Shape object(Members required, Members optional = {});  // and no others
Shape nullable(Shape of);
Shape words();  // {ja, en}
// The same under a name of its own in the document. Only while routes() is made.
Shape named(std::string_view name, Shape shape);
// {items: […]}, and where the list has pages what belongs to them.
Shape items(Shape of, Members more = {});

}  // namespace shape

// What is wrong with a value, each with the path of the member ("fields.kind", "items.3"). Codes:
// api.body.unknown, .missing, .type, .choice, .long, .range.
std::vector<Problem> check(const Shape& shape, const json::value& value);

// One that fits, as the document shows it: every member that must be there.
json::value example_of(const Shape& shape);

// All that were named so far.
const json::object& named_shapes();

}  // namespace mamori::api
