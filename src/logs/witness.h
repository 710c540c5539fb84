// Signed heads outside of this machine: whoever wanted to rewrite the logs would have to rewrite these too. A
// folder elsewhere, mail, another Mamori, and an authority that stamps the time (RFC 3161). `mamori verify
// --heads` holds the logs against them.
#pragma once

#include "archive/archive.h"
#include "base/texts.h"
#include "net/web_client.h"
#include "proof/timestamp.h"
#include "store/database.h"

namespace mamori::logs {

struct WitnessOptions {
  std::filesystem::path folder;  // "" = none; one file per head, beside it its stamp
  net::MailServer mail_server;   // url "" = none
  std::string mail_from;
  std::vector<std::string> mail_to;
  std::string
      hub_url;       // another Mamori (https://hub.example), which keeps heads among its own logs; "" = none
  Secret hub_token;  // of the log source that this installation is there
  std::string hub_authority;  // file (PEM) of who vouches for its certificate; "" = the system's
  std::string stamp_url;      // "" = none
  std::string
      stamp_authority;  // file (PEM) of who vouches for the authority; without it a stamp is kept unchecked
};

// Threads: all calls may come from several.
class Witness {
 public:
  static Status migrate(store::Database& database);
  Witness(store::Database& database, WitnessOptions options)
      : database_(database), options_(std::move(options)) {}

  // Stamps a new head and takes it to each place. What fails is said after the other places have it, and
  // tried again with the next head.
  Status keep(const archive::StreamName& name, const proof::Head& head) const;
  // Whether there is somebody to write to.
  bool mails() const { return !options_.mail_server.url.empty() && !options_.mail_to.empty(); }
  // The newest heads of all streams in one message: once a day.
  Status mail(const std::vector<std::pair<archive::StreamName, proof::Head>>& heads, const Texts& texts,
              const std::string& language, Instant now) const;

 private:
  store::Database& database_;
  // The token, empty where no authority is set.
  Result<std::string> stamp(const archive::StreamName& name, const proof::Head& head) const;
  Status copy(const archive::StreamName& name, const proof::Head& head, const std::string& token) const;
  Status tell_hub(const archive::StreamName& name, const proof::Head& head) const;

  const WitnessOptions options_;
};

// The stamp of a head, where there is one.
Result<std::optional<proof::TimeStamp>> stamp_of(store::Database& database, const archive::StreamName& name,
                                                 const proof::Head& head);

}  // namespace mamori::logs
