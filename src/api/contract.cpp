// What a request must be, what an answer is, and the document that says both.
#include <set>

#include "api/routes.h"
#include "base/text.h"

namespace mamori::api {
namespace {

bool carries_json(const Route& route) {
  return route.body == Body::small && route.caller == Caller::browser &&
         (route.method == http::Method::post || route.method == http::Method::patch ||
          route.method == http::Method::put);
}

Error invalid(std::vector<Problem> problems) {
  Error error{ErrorKind::invalid, "api.request.invalid"};
  error.problems = std::move(problems);
  return error;
}

json::object parameter_json(std::string_view name, std::string_view in, std::string_view meaning) {
  json::object out = {
      {"name", name}, {"in", in}, {"required", in == "path"}, {"schema", {{"type", "string"}}}};
  if (!meaning.empty()) out["description"] = meaning;
  return out;
}

// One parameter for each field that is named: kind=pc&support_end.lt=2027-01-01.
json::object filter_json() {
  return {{"name", "filter"},
          {"in", "query"},
          {"style", "form"},
          {"explode", true},
          {"description", "fields: NAME, NAME.lt, .gt, .not, .has, .empty"},
          {"schema", shape::map(shape::text())}};
}

json::object content(std::string_view media, json::value schema) {
  return {{std::string(media), json::object{{"schema", std::move(schema)}}}};
}
json::object json_content(const Shape& shape) {
  return {{"application/json", json::object{{"schema", shape}, {"example", example_of(shape)}}}};
}

json::object responses_of(const Route& route) {
  const auto& contract = route.contract;
  json::object success = {{"description", contract.status == 204 ? "Done" : "OK"}};
  if (contract.answer) success["content"] = json_content(*contract.answer);
  if (!contract.media.empty())
    success["content"] = content(contract.media, json::object{{"type", "string"}, {"format", "binary"}});
  json::object out = {{std::to_string(contract.status), std::move(success)}};
  if (route.caller == Caller::browser) {
    out["default"] = json::object{{"$ref", "#/components/responses/Problem"}};
    return out;
  }
  // Senders are refused in the words of their protocol.
  const json::object any = {{"schema", json::object{{"type", "object"}}}};
  out["default"] =
      json::object{{"description", "Why not"},
                   {"content",
                    {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}},
                     {"application/fhir+json", any},
                     {"application/json", any}}}};
  return out;
}

}  // namespace

Status check_request(const Route& route, const http::Request& request) {
  if (route.caller != Caller::browser) return {};
  std::vector<Problem> problems;
  if (!route.contract.filters) {
    std::set<std::string_view> known = {"facility", "language"};
    for (const auto& parameter : route.contract.query) known.insert(parameter.name);
    for (const auto& [name, value] : request.query)
      if (!known.contains(name)) {
        const auto shown = printable(name, 60);
        problems.push_back({shown, "api.query.unknown", {{"field", shown}}});
      }
  }
  if (carries_json(route)) {
    json::value body = json::object();
    if (!request.body.empty() || route.contract.body.contains("required"))
      body = MAMORI_TRY(parse_json(request.body));
    auto more = check(route.contract.body, body);
    problems.insert(problems.end(), more.begin(), more.end());
  }
  if (problems.empty()) return {};
  return invalid(std::move(problems));
}

std::vector<Problem> check_answer(const Route& route, const http::Reply& reply) {
  if (reply.status >= 300 || reply.status != route.contract.status) return {};
  if (!route.contract.answer) return {};
  const auto body = parse_json(reply.body);
  if (!body) return {{"", "base.json.bad", {}}};
  return check(*route.contract.answer, *body);
}

json::object openapi(std::string_view version) {
  json::object paths;
  for (const auto& route : routes()) {
    json::array parameters;
    for (std::size_t at = route.path.find('{'); at != route.path.npos; at = route.path.find('{', at + 1))
      parameters.push_back(
          parameter_json(route.path.substr(at + 1, route.path.find('}', at) - at - 1), "path", ""));
    if (route.permission != identity::Permission::none_needed &&
        route.permission != identity::Permission::own_account)
      parameters.push_back(parameter_json("facility", "query", "whose; where the user has several"));
    for (const auto& [name, meaning] : route.contract.query)
      parameters.push_back(parameter_json(name, "query", meaning));
    if (route.contract.filters) parameters.push_back(filter_json());
    json::object operation = {{"summary", route.summary},
                              {"x-permission", identity::name_of(route.permission)},
                              {"parameters", std::move(parameters)},
                              {"responses", responses_of(route)}};
    if (carries_json(route))
      operation["requestBody"] = json::object{{"required", route.contract.body.contains("required")},
                                              {"content", json_content(route.contract.body)}};
    if (route.body == Body::upload)
      operation["requestBody"] = json::object{
          {"required", true},
          {"content",
           content("application/octet-stream", json::object{{"type", "string"}, {"format", "binary"}})}};
    if (route.permission != identity::Permission::none_needed)
      operation["security"] = json::array{json::object{{"session", json::array{}}}};
    std::string method;
    for (const char c : http::name_of(route.method)) method += static_cast<char>(c + 32);
    auto& path = paths[route.path];
    if (path.is_null()) path = json::object();
    path.get_object()[method] = std::move(operation);
  }
  using namespace shape;
  const auto one = object({{"field", text()}, {"code", text()}, {"ja", text()}, {"en", text()}});
  auto schemas = named_shapes();
  schemas["Problem"] = object({{"type", text()},
                               {"status", integer()},
                               {"code", text()},
                               {"title", text()},
                               {"title_ja", text()},
                               {"errors", list(one)}});
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "Mamori"},
            {"version", version},
            {"description",
             "Writing requests carry the header X-Mamori with any value. A POST that creates may carry an "
             "Idempotency-Key and be sent again with it: it is done once. Lists of records take filters by "
             "field, "
             "such as kind=pc, support_end.lt=2027-01-01, place.has=2F, ip.empty=true."}}},
          {"paths", std::move(paths)},
          {"components",
           {{"schemas", std::move(schemas)},
            {"responses",
             {{"Problem",
               {{"description", "Problem details (RFC 9457)"},
                {"content", content("application/problem+json",
                                    json::object{{"$ref", "#/components/schemas/Problem"}})}}}}},
            {"securitySchemes",
             {{"session", {{"type", "apiKey"}, {"in", "cookie"}, {"name", kSessionCookie}}}}}}}};
}

}  // namespace mamori::api
