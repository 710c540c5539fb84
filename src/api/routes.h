// Every route there is, with the permission it demands.
#pragma once

#include "api/services.h"
#include "api/shape.h"
#include "http/listener.h"

namespace mamori::api {

enum class Body { small, upload };  // how much a request may carry: kSmallBody, kUpload
inline constexpr std::size_t kSmallBody = 1u << 20, kUpload = 72u << 20;
inline constexpr std::size_t kStrangersBody = 16u
                                              << 10;  // where nobody need be signed in: a password, a name
enum class Caller {
  browser,
  sender
};  // a sender shows its own token, has no session and need not prove that it is our page

struct Parameter {
  std::string_view name, meaning;
};

// What a route takes and gives, as it is checked and published.
struct Contract {
  std::vector<Parameter> query = {};  // beside facility and language
  bool filters = false;               // further ones are the register's fields
  Shape body = shape::object({});     // of the JSON that it takes; nothing: no members at all
  std::optional<Shape> answer = {};   // none: 204, or a file
  int status = 200;
  std::string_view media = {};  // of a file
};

struct Route {
  http::Method method;
  std::string_view path;            // with {names}
  identity::Permission permission;  // no default: a route without one does not compile
  Handler handler;
  std::string_view summary;  // for the OpenAPI document
  Body body = Body::small;
  Caller caller = Caller::browser;
  Contract contract = {};
  std::string_view told = {};  // what the journal calls it, of a route that gives something out

  // Each answer is written into the journal of the facility.
  Route tells(std::string_view action) && {
    told = action;
    return std::move(*this);
  }
  Route asks(std::vector<Parameter> parameters) && {
    contract.query = std::move(parameters);
    return std::move(*this);
  }
  Route filters() && {
    contract.filters = true;
    return std::move(*this);
  }
  Route takes(Shape shape) && {
    contract.body = std::move(shape);
    return std::move(*this);
  }
  Route gives(Shape shape, int status = 200) && {
    contract.answer = std::move(shape);
    contract.status = status;
    return std::move(*this);
  }
  Route gives_nothing() && {
    contract.status = 204;
    return std::move(*this);
  }
  Route gives_file(std::string_view media) && {
    contract.media = media;
    return std::move(*this);
  }
};

// What is wrong with a request beside what its handler will find. Error: api.request.invalid.
Status check_request(const Route& route, const http::Request& request);
// What of an answer its route does not say; for tests.
std::vector<Problem> check_answer(const Route& route, const http::Reply& reply);
// The route of a request, or none.
const Route* find_route(http::Method method, std::string_view path);

// By path alone, in no time: senders share a lane, and what reads or writes much of the ledger or the archive
// at once has its own.
http::Lane lane_of(const http::Request& head);

// Each in the file of its resource, with its handlers: a handler parses, calls one domain function and shapes
// the answer; no rule, no SQL.
std::vector<Route> system_routes();
std::vector<Route> account_routes();
std::vector<Route> user_routes();
std::vector<Route> register_routes();
std::vector<Route> import_routes();
std::vector<Route> framework_routes();
std::vector<Route> job_routes();
std::vector<Route> source_routes();
std::vector<Route> log_routes();
std::vector<Route> ingest_routes();
std::vector<Route> document_routes();
std::vector<Route> journal_routes();
const std::vector<Route>& routes();

// The same checks as dispatch() makes, by the header alone, and of senders their token: what body is read at
// all.
http::Admission admit(const http::Request& head, Services& services);

// Finds the route, checks session, permission and cross-site forgery, calls the handler. Everything that is
// not a route is 404.
http::Reply dispatch(const http::Request& request, Services& services);

// OpenAPI 3.1, made from routes().
json::object openapi(std::string_view version);

// Over TLS its name makes browsers take it from this very host alone.
inline constexpr std::string_view kSessionCookie = "mamori_session";
inline constexpr std::string_view kSecureSessionCookie = "__Host-mamori_session";
inline std::string_view session_cookie(bool secure) { return secure ? kSecureSessionCookie : kSessionCookie; }
// Browsers send it only from our own pages (it needs a CORS preflight elsewhere): the second fence beside
// SameSite=Strict.
inline constexpr const char* kForgeryHeader = "x-mamori";

}  // namespace mamori::api
