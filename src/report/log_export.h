// Logs taken out with their proof: a ZIP that `mamori verify` checks on any machine, without the archive.
//   events.jsonl   one event a line: index, time of receipt, source, raw bytes (base64 where they are no
//   UTF-8), the normalised fields events.csv or events.xlsx, where asked for: the same for people proof.json
//   the question, the signed tree head, the indices and leaf hashes of the events, and the roots of the
//   subtrees between;
//                  and, signed too, a hash of each line: the normalised fields are not part of the leaf
#pragma once

#include "archive/search.h"
#include "base/crypto.h"
#include "base/texts.h"
#include "proof/timestamp.h"
#include "report/report.h"

namespace mamori::report {

enum class LogFormat { jsonl, csv, xlsx };
std::optional<LogFormat> parse_log_format(std::string_view name);

struct LogExport {
  std::string facility, stream, question, made_by;
  archive::Query query;
  Instant from, to;
  LogFormat format = LogFormat::jsonl;
  std::string language = "ja";
  // The time stamp of the head, where there is one.
  std::function<Result<std::optional<proof::TimeStamp>>(const proof::Head&)> stamp = [](const proof::Head&) {
    return std::optional<proof::TimeStamp>();
  };
};
constexpr std::size_t kMostExported = 200'000;

// Errors: report.logs.too-many (narrow the question), those of the stream.
Result<std::string> export_logs(archive::Stream& stream, const LogExport& request, const SigningKey& key,
                                const Texts& texts, Instant now);

// The day's report of the logs, to print and file: what arrived from whom in the last 24 hours, and the
// newest signed heads, each as text and as a QR code. Whoever keeps the page can prove later that nothing
// before it was changed. PDF only.
struct LogHeads {
  std::string stream;
  proof::Head head;
  std::optional<proof::TimeStamp> stamp;
};
struct DayOfLogs {
  std::vector<LogHeads> heads;
  std::vector<std::pair<std::string, archive::Damage>>
      damage;  // by stream; what is not whole stands on the page before what is signed
};
Result<std::string> log_heads(const Context& context, const Request& request, const DayOfLogs& day,
                              const SigningKey& key);

struct LostEvents {
  proof::LeafIndex first = 0, last = 0;
};
struct VerifiedLogs {
  std::string origin, question, made_at, fingerprint;
  std::uint64_t size = 0;
  std::size_t events = 0;
  std::optional<proof::TimeStamp> stamp;  // of the head
  std::vector<LostEvents>
      lost;  // recorded once, and damaged when the export was made: any of them might belong in it
};
// Whether the bytes are such an export (and not an inspection package).
bool is_log_export(std::string_view bytes);
// Errors: report.logs.proof (head, signature or proof do not hold), report.verify.key, report.logs.altered,
// report.logs.missing, report.logs.added, report.logs.reordered (facts: line, index: the first place);
// archive.stamp.bad. `stamp_authority`: file (PEM) of who vouches for the time stamp authority; without it a
// stamp is only held against the head.
Result<VerifiedLogs> verify_logs(std::string_view bytes, const std::string& expected_key = "",
                                 const std::string& stamp_authority = "");

}  // namespace mamori::report
