// A request and a reply as the rest of the program sees them: no Beast here.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace mamori::http {

enum class Method { get, head, post, put, patch, delete_, other };
std::string_view name_of(Method method);

struct Request {
  Method method = Method::get;
  std::string path;                            // decoded, without query
  std::map<std::string, std::string> query;    // decoded; the last of equal names
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::string remote;  // the peer's address
  bool secure = false;

  std::string header(const std::string& name) const;
  std::string cookie(std::string_view name) const;
  std::string parameter(const std::string& name, std::string_view otherwise = "") const;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool secret = false;  // shown once: whoever keeps answers does not keep this one

  static Reply json(const json::value& value, int status = 200);
  static Reply nothing();  // 204
  // `name` for saving; may be Japanese (RFC 6266 / 8187).
  static Reply file(std::string bytes, std::string content_type, const std::string& name);
};

using Handler = std::function<Reply(const Request&)>;

// What is decided about a request by its header alone, before a byte of its body is read.
struct Admission {
  std::size_t body = 0;  // how much of it is taken
  std::optional<Reply> refusal = {};
};
using Gate = std::function<Admission(const Request& head)>;

// Percent-decoding; nullopt for a malformed or non-UTF-8 text.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace mamori::http
