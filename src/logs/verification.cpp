// Reading again what is kept, and saying whether it is whole.
#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/log.h"
#include "ledger/observed.h"
#include "logs/keeping.h"
#include "logs/recorded.h"

namespace mamori::logs {
namespace {

constexpr std::string_view kOfStream = "log archive ";  // who observed, before the stream's name

}  // namespace

Result<archive::Verified> Keeping::verify(const archive::StreamName& name,
                                          const std::function<void(const archive::Damage&)>& report,
                                          const Progress& progress) {
  auto* stream = MAMORI_TRY(archive_.stream(name));
  std::string damage;
  std::size_t told = 0;
  const auto all = stream->size() - stream->first();
  const auto note = [&](const archive::Damage& found) {
    if (told++ < 5)
      damage += fmt::format("{}{} {}–{}", damage.empty() ? "" : "; ", found.what, found.first, found.last);
    report(found);
  };
  auto verified = stream->verify(note, [&](std::uint64_t done) { return !progress || progress(done, all); });
  if (!verified && verified.error().code == "archive.verify.stopped") return verified;
  if (const auto other = MAMORI_TRY(against_note(name, stream)); other && verified) {
    damage = fmt::format("{} {}–{}", other->what, other->first, other->last);
    report(*other);
    verified = Error{ErrorKind::corrupt,
                     "archive.verify.failed",
                     {{"file", other->file},
                      {"what", other->what},
                      {"first", std::to_string(other->first)},
                      {"last", std::to_string(other->last)}}};
  }
  if (!archive_.read_only()) {
    json::object fact = {{"stream", name.name},
                         {"events", static_cast<std::int64_t>(stream->size())},
                         {"whole", verified.has_value()}};
    if (!damage.empty()) fact["damage"] = damage;
    if (verified) fact["root"] = proof::to_base64(verified->root);
    MAMORI_TRY(keep_verdict(name, std::move(fact)));
  }
  return verified;
}

Result<std::map<archive::StreamName, std::optional<Instant>>> Keeping::verified() {
  std::map<archive::StreamName, std::optional<Instant>> out;
  for (const auto& name : MAMORI_TRY(archive_.names())) out[name];
  auto lease = MAMORI_TRY(ledger_.database().read());
  for (const auto& [name, note] : MAMORI_TRY(newest_recorded(*lease))) out[name];
  MAMORI_TRY(
      lease->each("SELECT facility, observer, at FROM reading WHERE register = 'observed_archive'", {},
                  [&](store::Row& row) {
                    // One observer for each stream: keep_verdict().
                    const auto observer = store::as_text(row[1]);
                    if (!observer.starts_with(kOfStream)) return;
                    const auto found = out.find({store::as_text(row[0]), observer.substr(kOfStream.size())});
                    if (found != out.end()) found->second = store::as_instant(row[2]);
                  }));
  return out;
}

Result<archive::Verified> Keeping::verify_if_there(const archive::StreamName& name,
                                                   const Progress& progress) {
  const auto there = MAMORI_TRY(archive_.names());
  if (std::find(there.begin(), there.end(), name) != there.end())
    return verify(
        name, [](const archive::Damage&) {}, progress);
  const auto gone = MAMORI_TRY(against_note(name, nullptr));
  log::error(fmt::format("{} was signed once and is not there any more", label_of(name)));
  MAMORI_TRY(keep_verdict(
      name, {{"stream", name.name},
             {"events", 0},
             {"whole", false},
             {"damage", gone ? fmt::format("{} {}–{}", gone->what, gone->first, gone->last) : ""}}));
  return Error{ErrorKind::corrupt,
               "archive.damage.gone",
               {{"file", name.name}, {"first", "0"}, {"last", gone ? std::to_string(gone->last) : "0"}}};
}

Result<std::optional<archive::Damage>> Keeping::against_note(const archive::StreamName& name,
                                                             const archive::Stream* stream) {
  auto lease = MAMORI_TRY(ledger_.database().read());
  const auto noted = MAMORI_TRY(newest_recorded(*lease, name.facility));
  const auto found = noted.find(name);
  return found == noted.end() ? std::nullopt : deviation(found->second, stream);
}

// One source per stream: a verification of one says nothing about the others.
Status Keeping::keep_verdict(const archive::StreamName& name, json::object fact) {
  const auto* reg = MAMORI_TRY(ledger_.find_register("observed_archive"));
  auto transaction = MAMORI_TRY(ledger_.database().begin());
  const auto observer = std::string(kOfStream) + name.name;
  MAMORI_TRY(ledger::write_observed(ledger_, transaction, *reg, name.facility, {observer, observer},
                                    {std::move(fact)}, ledger_.database().clock().now()));
  return transaction.commit();
}

}  // namespace mamori::logs
