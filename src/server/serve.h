// `mamori serve`: listener, static pages, scheduled readings.
#pragma once

#include "http/listener.h"
#include "logs/receiver.h"
#include "server/wiring.h"

namespace mamori::server {

struct ServeOptions {
  http::ListenerOptions listener;
  logs::ReceiverOptions receiver;  // address "" = the listener's
  // What someone should know before it is too late: a code of data/texts and its facts.
  std::function<void(const std::string& code, const Facts& facts)> warn = [](const std::string&,
                                                                             const Facts&) {};
  std::function<void(const std::string& url, const std::string& setup_secret)> ready =
      [](const std::string&, const std::string&) {};
};

// Until SIGINT or SIGTERM. Errors: server.busy (another server owns the directory), http.listen.*,
// collect.receiver.*.
Status serve(Installation& installation, ServeOptions options);

// What of a request's body is read, by its header. Exposed for tests.
http::Admission admit(const http::Request& head, Installation& installation);
// The reply to any request: the API, else the built pages with their security headers. Exposed for tests.
http::Reply answer(const http::Request& request, Installation& installation);

}  // namespace mamori::server
