#include "api/trace.h"

#include <fmt/format.h>

#include "api/routes.h"
#include "base/log.h"
#include "base/text.h"

namespace mamori::api {
namespace {

constexpr std::size_t kRefusalsAMinute = 5, kAllRefusalsAMinute = 200;
constexpr std::size_t kMostRemembered = 4096;
constexpr std::size_t kLongestSaid = 200;

Status write(Services& services, const store::Actor& actor, store::Change change) {
  auto transaction = MAMORI_TRY(services.database.begin());
  transaction.journal(actor, std::move(change));
  return transaction.commit();
}

// Without the question: what was asked for may name a patient.
std::string said_of(const http::Request& request) {
  return printable(fmt::format("{} {}", http::name_of(request.method), request.path), kLongestSaid);
}

}  // namespace

void Trace::taken(const Call& call, const Route& route, Services& services) {
  const auto facility = call.facility();
  const auto format = call.request.parameter("format");
  const auto written = write(services, call.actor(),
                             {facility ? *facility : "", "export", "", std::string(route.told), "", "",
                              said_of(call.request) + (format.empty() ? "" : " " + printable(format, 10))});
  if (!written) log::error("journal, " + said_of(call.request) + ": " + describe(written.error()));
}

void Trace::refused(const http::Request& request, const identity::User* user, Services& services) {
  const auto key = user ? user->id : "address " + identity::counted_address(request.remote);
  const auto now = services.clock.now();
  std::size_t more = 0;
  {
    const MutexLock lock(mutex_);
    if (minutes_.size() >= kMostRemembered && !minutes_.contains(key)) minutes_.clear();
    auto& minute = minutes_[key];
    for (auto* one : {&minute, &all_})
      if (now - one->since >= std::chrono::minutes(1)) {
        if (one == &minute) more = one->more;
        *one = {now, 0, 0};
      }
    if (minute.written >= kRefusalsAMinute || all_.written >= kAllRefusalsAMinute) {
      ++minute.more;
      return;
    }
    ++minute.written;
    ++all_.written;
  }
  std::string facility;
  if (const auto asked = request.parameter("facility"); user && user->roles.contains(asked))
    facility = asked;
  else if (user && user->roles.size() == 1 && !store::is_group(user->roles.begin()->first))
    facility = user->roles.begin()->first;
  const store::Actor actor{user ? user->id : "", user ? user->name : "", "web " + request.remote};
  const auto written = write(services, actor,
                             {facility, "user", user ? user->id : "", "refused", "", "",
                              said_of(request) + (more > 0 ? fmt::format(" (+{})", more) : "")});
  if (!written) log::error("journal, refused: " + describe(written.error()));
}

}  // namespace mamori::api
