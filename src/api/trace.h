// What is read and refused stands in the journal as well as what is changed: who took what out, who was
// turned away. For the facility it is about.
#pragma once

#include <string>

#include "base/mutex.h"
#include "http/message.h"
#include "identity/users.h"
#include "store/database.h"

namespace mamori::api {

struct Call;
struct Route;
struct Services;

// Threads: all calls may come from several.
class Trace {
 public:
  // Something left the installation: an export, a document, an attachment. Where it cannot be written down
  // the log of the server says so, and the work goes on: in an emergency the answer is what counts.
  static void taken(const Call& call, const Route& route, Services& services);

  // Somebody was turned away: who is known by a session, or only an address. Of each a few a minute are
  // written, of all together not many, and with the next of the same how many more there were.
  void refused(const http::Request& request, const identity::User* user, Services& services);

 private:
  struct Minute {
    Instant since;
    std::size_t written = 0, more = 0;
  };
  Mutex mutex_;
  std::map<std::string, Minute> minutes_ GUARDED_BY(mutex_);  // by user, or address
  Minute all_ GUARDED_BY(mutex_);
};

}  // namespace mamori::api
