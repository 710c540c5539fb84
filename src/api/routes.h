// Every route there is, with the permission it demands.
#pragma once

#include "api/services.h"
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

struct Route {
  http::Method method;
  std::string_view path;            // with {names}
  identity::Permission permission;  // no default: a route without one does not compile
  Handler handler;
  std::string_view summary;  // for the OpenAPI document
  Body body = Body::small;
  Caller caller = Caller::browser;
};

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

inline constexpr std::string_view kSessionCookie = "mamori_session";
// Browsers send it only from our own pages (it needs a CORS preflight elsewhere): the second fence beside
// SameSite=Strict.
inline constexpr const char* kForgeryHeader = "x-mamori";

}  // namespace mamori::api
