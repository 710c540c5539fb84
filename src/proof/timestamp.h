// Time stamps of RFC 3161: an authority outside says that a signed head existed at a time. Whoever wanted to
// rewrite the logs would need the authority's key too.
#pragma once

#include "proof/head.h"

namespace mamori::proof {

struct TimeStamp {
  std::string token;  // the authority's answer (TimeStampResp), DER
  Instant at;
  std::string authority;  // as it names itself; empty where it does not
};

// Asks the authority at `url` (http or https) for a stamp on the head's note. Errors:
// archive.stamp.unreachable, archive.stamp.refused (facts: reason), those of check_stamp.
Result<TimeStamp> ask_for_stamp(const std::string& url, const std::string& note,
                                const std::string& authority_file);
// Whether the token is about this note, and signed by who `authority_file` (PEM) vouches for; "" = only that
// it is about the note. Error: archive.stamp.bad (fact: reason).
Result<TimeStamp> check_stamp(const std::string& token, const std::string& note,
                              const std::string& authority_file);

}  // namespace mamori::proof
