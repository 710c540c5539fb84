// Asking another machine over HTTP or HTTPS, and handing mail to a mail server: libcurl behind one call each.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"
#include "base/result.h"

namespace mamori::net {

struct WebRequest {
  std::string url;  // http:// or https://
  std::string method = "GET";
  std::vector<std::string> headers = {};  // "Name: value"
  std::string_view body = {};
  std::string authority = {};  // file of the certificate authority; "" = the system's
  std::chrono::milliseconds limit = std::chrono::seconds(60);
  std::size_t largest_answer = 256u << 20;
};

struct WebAnswer {
  int status = 0;
  std::string type;  // Content-Type
  std::string body;  // empty where a sink took it
};

// Follows no redirection. `sink` is handed the body of an answer with status 200 as it comes; false stops.
// Errors: base.web.unreachable, base.web.slow, base.web.large (facts: host, reason). A status other than 200
// is the caller's to judge.
Result<WebAnswer> ask_web(const WebRequest& request, const std::function<bool(std::string_view)>& sink = {});

struct MailServer {
  std::string url;  // smtp://host:25, smtps://host:465; STARTTLS is asked for wherever the server offers it
  std::string user;
  Secret password;
  std::string authority;  // as above
};

// `message`: headers and body, lines end in CRLF. Errors: base.web.unreachable, base.web.slow,
// base.mail.refused (facts: host, reason).
Status send_mail(const MailServer& server, const std::string& from, const std::vector<std::string>& to,
                 std::string_view message);

}  // namespace mamori::net
