#include "base/background.h"

#include <sys/resource.h>
#include <unistd.h>

namespace mamori {
namespace {

constexpr int kNice = 10;  // about a tenth of what others get, where they want all of it

}  // namespace

void work_in_background() {
  // On Linux each thread has its own; where it is refused the work is done all the same.
  static_cast<void>(::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice));
}

}  // namespace mamori
