#include "net/web_client.h"

#include <curl/curl.h>

#include <cstring>
#include <memory>

namespace mamori::net {
namespace {

struct Close {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, Close>;
using Lines = std::unique_ptr<curl_slist, Close>;

Handle make_handle() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  MAMORI_ASSERT(ready);
  Handle handle(curl_easy_init());
  MAMORI_ASSERT(handle);
  return handle;
}

Lines lines_of(const std::vector<std::string>& texts) {
  Lines out;
  for (const auto& text : texts) {
    auto* longer = curl_slist_append(out.get(), text.c_str());
    MAMORI_ASSERT(longer);
    (void)out.release();
    out.reset(longer);
  }
  return out;
}

std::string host_of(const std::string& url) {
  const auto start = url.find("://");
  const auto host = url.substr(start == url.npos ? 0 : start + 3);
  return host.substr(0, host.find_first_of("/?"));
}

Error failure(CURLcode code, const std::string& url, const char* detail) {
  const Facts facts = {{"host", host_of(url)}, {"reason", *detail ? detail : curl_easy_strerror(code)}};
  if (code == CURLE_OPERATION_TIMEDOUT) return {ErrorKind::unavailable, "base.web.slow", facts};
  return {ErrorKind::unavailable, "base.web.unreachable", facts};
}

struct Taking {
  CURL* handle;
  const std::function<bool(std::string_view)>* sink;
  std::string body;
  std::size_t largest;
  bool stopped = false, large = false;
};

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& taking = *static_cast<Taking*>(into);
  const std::string_view some(bytes, size * count);
  long status = 0;
  curl_easy_getinfo(taking.handle, CURLINFO_RESPONSE_CODE, &status);
  if (*taking.sink && status == 200) {
    taking.stopped = !(*taking.sink)(some);
    return taking.stopped ? 0 : some.size();
  }
  taking.large = taking.body.size() + some.size() > taking.largest;
  if (taking.large) return 0;
  taking.body += some;
  return some.size();
}

struct Giving {
  std::string_view rest;
};

std::size_t give(char* to, std::size_t size, std::size_t count, void* from) {
  auto& rest = static_cast<Giving*>(from)->rest;
  const auto some = rest.substr(0, size * count);
  std::memcpy(to, some.data(), some.size());
  rest.remove_prefix(some.size());
  return some.size();
}

}  // namespace

Result<WebAnswer> ask_web(const WebRequest& request, const std::function<bool(std::string_view)>& sink) {
  const auto handle = make_handle();
  auto* curl = handle.get();
  char detail[CURL_ERROR_SIZE] = "";
  Taking taking{curl, &sink, {}, request.largest_answer};
  auto headers = request.headers;
  headers.emplace_back("Expect:");  // no question before a large body: the other side is one of ours
  const auto lines = lines_of(headers);
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(request.limit.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines.get());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &taking);
  if (!request.authority.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, request.authority.c_str());
  if (request.method != "GET") {
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  const auto code = curl_easy_perform(curl);
  if (taking.large)
    return Error{ErrorKind::exhausted,
                 "base.web.large",
                 {{"host", host_of(request.url)}, {"reason", std::to_string(request.largest_answer)}}};
  if (code != CURLE_OK && !taking.stopped) return failure(code, request.url, detail);
  WebAnswer answer;
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  const char* type = nullptr;
  curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
  answer.status = static_cast<int>(status);
  if (type) answer.type = type;
  answer.body = std::move(taking.body);
  return answer;
}

Status send_mail(const MailServer& server, const std::string& from, const std::vector<std::string>& to,
                 std::string_view message) {
  const auto handle = make_handle();
  auto* curl = handle.get();
  char detail[CURL_ERROR_SIZE] = "";
  Giving giving{message};
  std::vector<std::string> addresses;
  for (const auto& address : to) addresses.push_back("<" + address + ">");
  const auto lines = lines_of(addresses);
  const auto sender = "<" + from + ">";
  curl_easy_setopt(curl, CURLOPT_URL, server.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 60000L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
  // With a password, never in the clear.
  curl_easy_setopt(curl, CURLOPT_USE_SSL,
                   static_cast<long>(server.user.empty() ? CURLUSESSL_TRY : CURLUSESSL_ALL));
  if (!server.authority.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, server.authority.c_str());
  if (!server.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, server.password.reveal().c_str());
  }
  curl_easy_setopt(curl, CURLOPT_MAIL_FROM, sender.c_str());
  curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, lines.get());
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
  curl_easy_setopt(curl, CURLOPT_READDATA, &giving);
  curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
  const auto code = curl_easy_perform(curl);
  if (code == CURLE_OK) return {};
  long answer = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
  if (answer >= 400)
    return Error{ErrorKind::unavailable,
                 "base.mail.refused",
                 {{"host", host_of(server.url)}, {"reason", std::to_string(answer) + " " + detail}}};
  return failure(code, server.url, detail);
}

}  // namespace mamori::net
