#include "server/serve.h"

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <set>
#include <thread>
#include <utility>

#include "api/problem.h"
#include "api/routes.h"
#include "assess/duty.h"
#include "base/log.h"
#include "logs/duties.h"
#include "net/certificate.h"
#include "os/file.h"
#include "server/health.h"

namespace mamori::server {
namespace {

constexpr std::size_t kLargestPage = 16u << 20;

std::string_view type_of(const std::string& path) {
  static const std::vector<std::pair<std::string_view, std::string_view>> kTypes = {
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".json", "application/json"},
      {".woff2", "font/woff2"},
      {".webmanifest", "application/manifest+json"}};
  for (const auto& [ending, type] : kTypes)
    if (path.ends_with(ending)) return type;
  return "application/octet-stream";
}

http::Reply page(const http::Request& request, const std::filesystem::path& web) {
  if (request.method != http::Method::get && request.method != http::Method::head) return {.status = 405};
  std::string path = request.path;
  const bool clean =
      path.find("..") == path.npos && path.find("//") == path.npos && path.find('\\') == path.npos;
  if (!clean) return {.status = 404, .content_type = "text/plain", .headers = {}, .body = ""};
  const auto known = path.size() > 1 && std::filesystem::is_regular_file(web / path.substr(1));
  if (!known) {
    if (path.starts_with("/assets/"))
      return {.status = 404, .content_type = "text/plain", .headers = {}, .body = ""};
    path = "/index.html";  // the pages' own addresses
  }
  http::Reply reply;
  reply.content_type = type_of(path);
  auto file = web / path.substr(1);
  const bool zipped = request.header("accept-encoding").find("gzip") != std::string::npos &&
                      std::filesystem::exists(file.string() + ".gz");
  if (zipped) {
    file += ".gz";
    reply.headers.emplace_back("Content-Encoding", "gzip");
  }
  auto bytes = read_file(file, kLargestPage);
  if (!bytes)
    return {.status = 404,
            .content_type = "text/plain; charset=utf-8",
            .headers = {},
            .body = "The web pages are not built.\n"};
  reply.body = std::move(bytes).take();
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  reply.headers.emplace_back(
      "Cache-Control", path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  return reply;
}

void secure(http::Reply& reply, const http::Request& request) {
  const auto add = [&](const char* name, const char* value) { reply.headers.emplace_back(name, value); };
  add("Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
      "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
  add("X-Content-Type-Options", "nosniff");
  add("Referrer-Policy", "same-origin");
  add("Cross-Origin-Opener-Policy", "same-origin");
  add("Permissions-Policy", "camera=(), microphone=(), geolocation=()");
  if (request.secure) add("Strict-Transport-Security", "max-age=31536000");
  if (request.path.starts_with("/api/")) add("Cache-Control", "no-store");
}

constexpr int kLostEvents = 5;  // exit code: cannot be reached, no space
constexpr std::chrono::milliseconds kEnd{4500}, kStill{1500}, kLongestEnd{30'000};

// From a signal on: the process ends in time, whoever still works (a verification, a directory that does not
// answer). Everything on disk bears being cut off anywhere. Only while events go on being kept is more time
// given.
void end_in_time(const logs::Receiver& receiver) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  auto changed = start;
  auto last = receiver.progress();
  while (true) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const auto now = Clock::now();
    if (const auto progress = receiver.progress(); progress != std::exchange(last, progress)) changed = now;
    if (now - start < kEnd || (now - changed < kStill && now - start < kLongestEnd)) continue;
    const auto lost = receiver.left();
    if (lost == 0)
      log::warning("ends without waiting for what still runs");
    else
      log::error(fmt::format(
          "ends while the disk or the database does not answer: {} log events that were read are lost",
          lost));
    ::_exit(lost == 0 ? 0 : kLostEvents);
  }
}

std::string machine() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

bool is_api(const http::Request& request) {
  return request.path.starts_with("/api/") || request.path.starts_with("/ingest/") ||
         request.path == "/healthz" || request.path == "/metrics";
}

}  // namespace

http::Admission admit(const http::Request& head, Installation& installation) {
  http::Admission admission;
  if (is_api(head))
    admission = api::admit(head, installation.services());
  else
    admission.refusal = {.status = 405};  // pages take nothing
  if (admission.refusal) secure(*admission.refusal, head);
  return admission;
}

http::Reply answer(const http::Request& request, Installation& installation) {
  auto reply = is_api(request) ? api::dispatch(request, installation.services())
                               : page(request, installation.home().web);
  secure(reply, request);
  return reply;
}

Status serve(Installation& installation, ServeOptions options) {
  // Only one server per directory; the lock goes with the process, however it ends.
  const auto lock = MAMORI_TRY(os::Disk::real().lock(installation.directory() / "serve.lock"));
  if (!lock)
    return Error{ErrorKind::conflict, "server.busy", {{"directory", installation.directory().string()}}};
  auto& services = installation.services();
  for (const auto* folder : {"keys", "blobs"}) {  // the archive tidies its own
    const auto tidied = os::remove_unfinished(installation.directory() / folder);
    if (!tidied) log::error("files: " + describe(tidied.error()));
  }
  if (!http::is_loopback(options.listener.address) && options.listener.certificate_file.empty()) {
    MAMORI_TRY(os::make_directory(installation.directory() / "tls"));
    options.listener.certificate_file = installation.directory() / "tls/certificate.pem";
    options.listener.key_file = installation.directory() / "tls/key.pem";
    MAMORI_TRY(net::make_certificate(options.listener.certificate_file, options.listener.key_file,
                                     options.listener.address, services.clock.now()));
  }
  const auto setup_secret = MAMORI_TRY(services.users.any()) ? std::string() : random_token(20);
  {
    const MutexLock kept(services.mutex);
    services.setup_secret = setup_secret;
  }

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread starts: all inherit it
  ::signal(SIGPIPE, SIG_IGN);

  api::routes();  // made now, not by whoever comes first
  options.listener.lane = [](const http::Request& head) {
    return is_api(head) ? api::lane_of(head) : http::Lane::page;
  };
  options.listener.gate = [&](const http::Request& head) { return admit(head, installation); };
  options.listener.refusal = [&texts = services.texts](int status, std::string_view code) {
    return api::refusal_reply(status, code, texts);
  };
  // Syslog over TLS uses the web's certificate where it has none of its own; without any it is made like the
  // web's.
  auto& syslog = options.receiver;
  if (syslog.address.empty()) syslog.address = options.listener.address;
  if (syslog.tls_port >= 0 && syslog.certificate_file.empty()) {
    syslog.certificate_file = options.listener.certificate_file;
    syslog.key_file = options.listener.key_file;
    if (syslog.certificate_file.empty()) {
      MAMORI_TRY(os::make_directory(installation.directory() / "tls"));
      syslog.certificate_file = installation.directory() / "tls/certificate.pem";
      syslog.key_file = installation.directory() / "tls/key.pem";
      MAMORI_TRY(net::make_certificate(syslog.certificate_file, syslog.key_file, syslog.address,
                                       services.clock.now()));
    }
  }
  for (const auto& file : std::set<std::string>{options.listener.certificate_file, syslog.certificate_file}) {
    if (file.empty()) continue;
    const auto end = MAMORI_TRY(net::certificate_end(file));
    const auto left = end - services.clock.now();
    if (left < std::chrono::days(30))
      options.warn(left.count() < 0 ? "server.certificate.ended" : "server.certificate.ends",
                   {{"file", file}, {"date", iso_date(date_of(end))}});
  }
  logs::add_duties(services.jobs, services.logs, services.database);
  services.sources.add_duties();
  assess::add_duties(services.jobs, services.assessor, services.ledger);
  // Shared with the thread that watches the end, which may outlive this function by a moment.
  const std::shared_ptr<logs::Receiver> receiver = MAMORI_TRY(logs::Receiver::open(syslog, services.logs));
  {
    const MutexLock kept(services.mutex);
    services.receivers = {{"address", syslog.address},
                          {"udp", receiver->udp_port()},
                          {"tcp", receiver->tcp_port()},
                          {"tls", receiver->tls_port()}};
  }
  const auto listener = MAMORI_TRY(http::Listener::open(
      options.listener, [&](const http::Request& request) { return answer(request, installation); }));
  const Health health(services.database, installation.server(), installation.directory());
  services.health = [&health] { return health.state(); };
  MAMORI_TRY(services.jobs.start({.home = installation.server(), .machine = machine()}));
  std::thread waiter([&] {
    int number = 0;
    sigwait(&signals, &number);
    std::thread([receiver] { end_in_time(*receiver); }).detach();
    services.jobs.stop();
    std::thread intake([&] { receiver->stop(); });
    listener->stop();
    intake.join();
  });
  const bool tls = !options.listener.certificate_file.empty();
  options.ready(fmt::format("{}://{}:{}", tls ? "https" : "http",
                            options.listener.address == "0.0.0.0" || options.listener.address == "::"
                                ? "localhost"
                                : options.listener.address,
                            listener->port()),
                setup_secret);
  ::malloc_trim(0);  // what reading the catalogue and the registers took and gave back
  listener->run();
  waiter.join();
  services.jobs.join();
  services.health = [] { return json::object{{"status", "ok"}}; };
  if (const auto fed = services.logs.journal().feed(); !fed) log::error("logs: " + describe(fed.error()));
  return {};
}

}  // namespace mamori::server
