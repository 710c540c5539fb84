// Mistakes that must not compile. Without any the file does; run.sh makes one after another and holds what
// the compiler says against the words beside it.
#include "api/routes.h"
#include "base/mutex.h"
#include "store/scope.h"

namespace mamori {

Status write();
Result<int> read();

struct Counter {
  Mutex mutex;
  int count GUARDED_BY(mutex) = 0;
  void add() REQUIRES(mutex) { ++count; }
};

http::Reply answer(const Words& words);
void log_line(const std::string& line);

Status mistakes(Counter& counter, const std::string& facility) {
  MAMORI_TRY(write());
#ifdef UNHEEDED_FAILURE  // ignoring return value
  write();
#endif
#ifdef UNHEEDED_ANSWER  // ignoring return value
  read();
#endif
#ifdef VALUE_WITHOUT_LOOKING  // no viable conversion
  const int value = read();
#endif
  {
    const MutexLock lock(counter.mutex);
    counter.add();
  }
#ifdef MEMBER_WITHOUT_ITS_LOCK  // requires holding mutex 'counter.mutex'
  counter.count += 1;
#endif
#ifdef CALL_WITHOUT_ITS_LOCK  // requires holding mutex 'counter.mutex'
  counter.add();
#endif
  const auto scope = store::Scope::job(facility);
  store::Row parameters;
  scope.where("facility", parameters);
#ifdef SCOPE_OF_AN_ID  // no viable conversion
  const store::Scope mine = facility;
#endif
#ifdef SCOPE_OF_A_LIST  // no viable conversion
  const store::Scope all = std::vector<std::string>{facility};
#endif
  const Secret secret("x");
#ifdef SECRET_IN_A_LINE  // no matching function
  log_line(secret);
#endif
#ifdef ROUTE_FOR_WHOEVER  // to 'identity::Permission'
  const api::Route route = {
      http::Method::get, "/x",
      [](const api::Call&, api::Services&) -> Result<http::Reply> { return http::Reply::nothing(); }};
#endif
#ifdef WORDS_IN_ONE_LANGUAGE  // no matching function
  answer("こんにちは");
#endif
  return {};
}

}  // namespace mamori
