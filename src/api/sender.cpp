#include "api/sender.h"

#include "base/text.h"

namespace mamori::api {
namespace {

// Authorization: Bearer TOKEN, Basic base64(anything:TOKEN), ApiKey base64(anything:TOKEN) or ApiKey TOKEN.
std::string token_of(const http::Request& request) {
  const auto header = request.header("authorization");
  const auto space = header.find(' ');
  if (space == header.npos) return {};
  const auto scheme = to_lower_ascii(header.substr(0, space));
  const auto value = std::string(trim(header.substr(space + 1)));
  if (scheme == "bearer") return value;
  if (scheme != "basic" && scheme != "apikey") return {};
  const auto decoded = from_base64(value);
  if (!decoded) return value;
  const auto colon = decoded->find(':');
  return colon == decoded->npos ? value : decoded->substr(colon + 1);
}

}  // namespace

Result<logs::LogSource> sender_of(const http::Request& request, Services& services) {
  const auto token = token_of(request);
  if (token.empty()) return Error{ErrorKind::unauthenticated, "collect.log.token"};
  return services.logs.source_of({.address = request.remote, .token = token});
}

}  // namespace mamori::api
