// Signed heads outside of this machine: whoever wanted to rewrite the logs would have to rewrite these too. A folder elsewhere, mail, and
// an authority that stamps the time (RFC 3161).
#pragma once

#include "archive/archive.h"
#include "archive/timestamp.h"
#include "base/texts.h"
#include "base/web_client.h"
#include "store/database.h"

namespace mamori::collect::events {

struct WitnessOptions {
  std::filesystem::path folder;            // "" = none; one file per head, beside it its stamp
  MailServer mail_server;                  // url "" = none
  std::string mail_from;
  std::vector<std::string> mail_to;
  std::string stamp_url;                   // "" = none
  std::string stamp_authority;             // file (PEM) of who vouches for the authority; without it a stamp is kept unchecked
};

// Threads: all calls may come from several.
class Witness {
 public:
  static Status migrate(store::Database& database);
  Witness(store::Database& database, WitnessOptions options) : database_(database), options_(std::move(options)) {}

  // Stamps and copies a new head. What fails is said, and tried again with the next head.
  Status keep(const archive::StreamName& name, const archive::Head& head) const;
  // The newest heads of all streams in one message: once a day.
  Status mail(const std::vector<std::pair<archive::StreamName, archive::Head>>& heads, const Texts& texts, const std::string& language, Instant now) const;

 private:
  store::Database& database_;
  const WitnessOptions options_;
};

// The stamp of a head, where there is one.
Result<std::optional<archive::TimeStamp>> stamp_of(store::Database& database, const archive::StreamName& name, const archive::Head& head);

}  // namespace mamori::collect::events
