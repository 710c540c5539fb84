
#include "api/routes.h"
#include "api/shapes.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

json::object summary_json(const assess::FrameworkResult& result) {
  json::object counts;
  std::int64_t contradictions = 0, declared = 0;
  for (const auto verdict : {assess::Verdict::met, assess::Verdict::gap, assess::Verdict::stale,
                             assess::Verdict::no_evidence, assess::Verdict::not_applicable})
    counts[assess::name_of(verdict)] =
        std::count_if(result.items.begin(), result.items.end(),
                      [&](const assess::ItemResult& item) { return item.verdict == verdict; });
  for (const auto& item : result.items) {
    contradictions += item.contradiction == assess::Contradiction::none ? 0 : 1;
    declared += item.declared ? 1 : 0;
  }
  return {{"framework", result.framework->id},
          {"title", words_json(result.framework->title)},
          {"source", words_json(result.framework->source)},
          {"edition", result.framework->edition},
          {"per_vendor", result.framework->per_vendor},
          {"level_wanted", result.framework->level_wanted},
          {"items_total", result.items.size()},
          {"counts", std::move(counts)},
          {"contradictions", contradictions},
          {"declared", declared},
          {"at", iso_instant(result.at)}};
}

Result<http::Reply> list_frameworks(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  json::array items;
  for (const auto& framework : services.catalog.frameworks())
    items.push_back(summary_json(MAMORI_TRY(services.assessor.frameworks().state(facility, framework.id))));
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> get_framework(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto result = MAMORI_TRY(
      services.assessor.frameworks().state(facility, call.at("framework"), call.request.parameter("vendor")));
  auto out = summary_json(result);
  json::array items;
  for (const auto& item : result.items) items.push_back(assess::to_json(item));
  out["items"] = std::move(items);
  return http::Reply::json(out);
}

Result<http::Reply> declare_item(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto body = MAMORI_TRY(call.body());
  const auto answer = assess::parse_answer(text_of(body, "answer"));
  if (!answer) {
    Error bad{ErrorKind::invalid, "assess.declaration.invalid"};
    bad.problems.push_back({"answer", "assess.declaration.answer", {}});
    return bad;
  }
  const auto made =
      MAMORI_TRY(services.assessor.declarations().declare(call.actor(), facility,
                                                          {call.at("framework"),
                                                           call.at("item"),
                                                           text_of(body, "vendor"),
                                                           *answer,
                                                           text_of(body, "confirmed_on"),
                                                           text_of(body, "target_on"),
                                                           text_of(body, "remark"),
                                                           "",
                                                           {},
                                                           static_cast<int>(integer_of(body, "round", 1))}));
  return http::Reply::json(assess::to_json(made));
}

Result<http::Reply> control_history(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  json::array items;
  for (const auto& change : MAMORI_TRY(services.assessor.findings().history(facility, call.at("control"))))
    items.push_back(json::object{
        {"at", iso_instant(change.at)}, {"verdict", change.verdict}, {"violations", change.violations}});
  return http::Reply::json(json::object{{"items", std::move(items)}});
}

Result<http::Reply> get_today(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  json::array items;
  std::int64_t urgent = 0, soon = 0;
  for (const auto& row : MAMORI_TRY(services.assessor.today().rows(facility))) {
    (row.urgency <= 25 ? urgent : soon) += 1;
    items.push_back(assess::to_json(row));
  }
  const auto controls = MAMORI_TRY(services.assessor.controls().all(facility));
  const auto met = std::count_if(controls->begin(), controls->end(), [](const auto& entry) {
    return entry.second.verdict == assess::Verdict::met;
  });
  return http::Reply::json(json::object{{"items", std::move(items)},
                                        {"urgent", urgent},
                                        {"soon", soon},
                                        {"met", met},
                                        {"today", iso_date(date_of(services.clock.now()))}});
}

Result<http::Reply> put_off_today(const Call& call, Services& services) {
  const auto facility = MAMORI_TRY(call.facility());
  const auto body = MAMORI_TRY(call.body());
  MAMORI_TRY(services.assessor.today().put_off(call.actor(), facility, text_of(body, "key"),
                                               text_of(body, "until"), text_of(body, "reason")));
  return http::Reply::nothing();
}

}  // namespace

namespace {

Shape declaration_shape() {
  using namespace shape;
  return named("Declaration", object({{"answer", one_of({"yes", "no", "not_applicable"})},
                                      {"confirmed_on", day()},
                                      {"target_on", day()},
                                      {"remark", text()},
                                      {"by", text()},
                                      {"at", instant()},
                                      {"item", text()},
                                      {"vendor", text()},
                                      {"round", integer()}}));
}
Shape item_shape() {
  using namespace shape;
  const auto level = named("Level", object({{"level", integer()}, {"text", words()}}));
  const auto control = control_shape();
  return named("Item", object({{"item", text()},
                               {"number", text()},
                               {"object", words()},
                               {"text", words()},
                               {"requirements", list(text())},
                               {"verdict", verdict_shape()},
                               {"declared", nullable(declaration_shape())},
                               {"rounds", list(declaration_shape())},
                               {"contradiction", nullable(text())},
                               {"records", list(record_ref_shape())},
                               {"evidence", list(evidence_shape())},
                               {"next_step", words()},
                               {"link", text()},
                               {"controls", list(control)}},
                              {{"levels", list(level)}, {"level", integer()}}));
}
Shape framework_shape(bool whole) {
  using namespace shape;
  const auto counts = object({{"met", integer()},
                              {"gap", integer()},
                              {"stale", integer()},
                              {"no_evidence", integer()},
                              {"not_applicable", integer()}});
  auto summary = object({{"framework", text()},
                         {"title", words()},
                         {"source", words()},
                         {"edition", text()},
                         {"per_vendor", boolean()},
                         {"level_wanted", integer()},
                         {"items_total", integer()},
                         {"counts", counts},
                         {"contradictions", integer()},
                         {"declared", integer()},
                         {"at", instant()}});
  if (!whole) return named("FrameworkSummary", std::move(summary));
  summary["properties"].get_object()["items"] = list(item_shape());
  summary["required"].get_array().emplace_back("items");
  return named("Framework", std::move(summary));
}
Shape today_shape() {
  using namespace shape;
  const auto row = named("TodayRow", object({{"kind", text()},
                                             {"urgency", integer()},
                                             {"text", words()},
                                             {"reason", words()},
                                             {"date", day()},
                                             {"link", text()},
                                             {"key", text()}}));
  return named(
      "Today",
      items(row, {{"urgent", integer()}, {"soon", integer()}, {"met", integer()}, {"today", day()}}));
}

}  // namespace

std::vector<Route> framework_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/frameworks", Permission::findings_read, list_frameworks,
            "Frameworks with their counts"}
          .gives(items(framework_shape(false))),
      Route{get, "/api/v1/frameworks/{framework}", Permission::findings_read, get_framework,
            "Every item with its measured and declared answer"}
          .asks({{"vendor", "of a vendor's form: whose"}})
          .gives(framework_shape(true)),
      Route{post, "/api/v1/frameworks/{framework}/items/{item}/declaration", Permission::findings_declare,
            declare_item, "Declare an answer"}
          .takes(object({}, {{"answer", text()},
                             {"confirmed_on", text()},
                             {"target_on", text()},
                             {"remark", text()},
                             {"vendor", text()},
                             {"round", integer()}}))
          .gives(declaration_shape()),
      Route{get, "/api/v1/controls/{control}/history", Permission::findings_read, control_history,
            "How a control's verdict changed"}
          .gives(items(
              named("ControlChange",
                    object({{"at", instant()}, {"verdict", verdict_shape()}, {"violations", integer()}})))),
      Route{get, "/api/v1/today", Permission::findings_read, get_today, "What to do, most urgent first"}
          .gives(today_shape()),
      Route{post, "/api/v1/today/put-off", Permission::findings_declare, put_off_today,
            "Put a row off with a reason"}
          .takes(object({}, {{"key", text()}, {"until", text()}, {"reason", text()}}))
          .gives_nothing(),
  };
}

}  // namespace mamori::api
