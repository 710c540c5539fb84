#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "cli/command.h"
#include "ledger/verify.h"
#include "logs/recorded.h"
#include "logs/reread.h"
#include "report/log_export.h"
#include "report/report.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string file, key, stamp_authority, heads, format = "text";
};

json::array lost_json(const report::VerifiedLogs& verified) {
  json::array out;
  for (const auto& [first, last] : verified.lost)
    out.push_back(json::object{{"first", first}, {"last", last}});
  return out;
}

int print_failure(const Error& error, const Common& common, const Given& given) {
  if (given.format == "json")
    std::printf(
        "%s",
        pretty(json::object{{"valid", false}, {"reason", error.code}, {"facts", facts_json(error.facts)}})
            .c_str());
  fail(error, common);
  return 1;
}

// One thing that is wrong: said on standard error and kept for the answer in JSON.
class Findings {
 public:
  Findings(const Texts& texts, const std::string& language) : texts_(texts), language_(language) {}

  void add(const std::string& code, const Facts& facts) {
    const auto text = texts_.get(code, language_, facts);
    std::fprintf(stderr, "mamori: %s\n", text.c_str());
    items_.push_back(json::object{{"code", code}, {"text", text}, {"facts", facts_json(facts)}});
  }
  void add(const Error& error) { add(error.code, error.facts); }
  std::string sentence(const std::string& code) const { return texts_.get(code, language_); }

  bool none() const { return items_.empty(); }
  const json::array& items() const { return items_; }

 private:
  const Texts& texts_;
  const std::string& language_;
  json::array items_;
};

// The newest head that was kept elsewhere, by origin.
using KeptHeads = std::map<std::string, proof::Head>;

std::vector<std::filesystem::path> files_of(const std::filesystem::path& place, Findings& findings) {
  std::error_code failure;
  if (!std::filesystem::is_directory(place, failure)) return {place};
  std::vector<std::filesystem::path> files;
  std::filesystem::recursive_directory_iterator entry(place, failure);
  for (; !failure && entry != std::filesystem::recursive_directory_iterator(); entry.increment(failure))
    if (entry->is_regular_file(failure) && entry->path().extension() != ".tsr")
      files.push_back(entry->path());  // time stamps lie beside their heads
  if (failure) findings.add("cli.verify.folder", {{"file", place.string()}, {"reason", failure.message()}});
  std::sort(files.begin(), files.end());
  return files;
}

// Heads that were kept elsewhere (a file, or all files of a folder) against the logs as they are now. How
// many fit.
std::size_t check_heads(logs::Logs& logs, const SigningKey& key, const std::filesystem::path& place,
                        KeptHeads& kept, Findings& findings) {
  std::map<std::string, const archive::Stream*> streams;
  const auto names = logs.archive().names();
  for (const auto& name : names ? *names : std::vector<archive::StreamName>())
    if (const auto stream = logs.archive().stream(name)) streams[(*stream)->origin()] = *stream;
  std::size_t fit = 0;
  const auto files = files_of(place, findings);
  if (files.empty()) findings.add("cli.verify.no-heads", {{"file", place.string()}});
  for (const auto& file : files) {
    const auto bytes = read_file(file, std::size_t{1} << 30);
    if (!bytes) {
      findings.add(bytes.error());
      continue;
    }
    const auto found = proof::find_heads(*bytes);
    if (found.broken > 0)
      findings.add("cli.verify.head-broken",
                   {{"file", file.string()}, {"count", std::to_string(found.broken)}});
    else if (found.heads.empty())
      findings.add("cli.verify.no-heads", {{"file", file.string()}});
    for (const auto& head : found.heads) {
      const auto broken = [&](const char* what) {
        findings.add("cli.verify.head", {{"file", file.string()},
                                         {"origin", head.origin},
                                         {"events", std::to_string(head.size)},
                                         {"what", what},
                                         {"reason", findings.sentence(what)}});
      };
      const auto stream = streams.find(head.origin);
      if (!proof::head_is_signed_by(head, key.public_key())) {
        broken("archive.damage.signer");
      } else if (stream == streams.end() || stream->second->size() < head.size) {
        broken("archive.damage.cut");
      } else if (const auto root = stream->second->root_at(head.size); !root) {
        findings.add(root.error());
      } else if (*root != head.root) {
        broken("archive.damage.root");
      } else {
        ++fit;
        auto& newest = kept[head.origin];
        if (newest.note.empty() || newest.size <= head.size) newest = head;
      }
    }
  }
  return fit;
}

std::string number(std::uint64_t value) { return std::to_string(value); }

// Everything that --data holds: the journal, each record against it, it against its signed streams, and every
// stream there should be.
class Whole {
 public:
  Whole(Session& session, const Common& common, const Given& given, const Texts& texts)
      : services_(session.services()),
        common_(common),
        given_(given),
        texts_(texts),
        findings_(texts, common.language) {}

  int run() {
    // What was recorded is read before the streams are opened: a head signed meanwhile makes them longer than
    // it says, never shorter.
    if (const auto done = look(); !done) return fail(done.error(), common_);
    if (given_.format == "json") {
      std::printf("%s", pretty(json::object{{"valid", findings_.none()},
                                            {"entries", entries_},
                                            {"head", head_},
                                            {"records", records_},
                                            {"streams", std::move(streams_)},
                                            {"heads_elsewhere", fit_},
                                            {"problems", findings_.items()},
                                            {"not_covered", std::move(not_covered_)}})
                            .c_str());
    } else {
      for (const auto& line : not_covered_) std::printf("%s\n", std::string(line.as_string()).c_str());
    }
    return findings_.none() ? 0 : 1;
  }

 private:
  void say(const char* code, const Facts& facts) {
    if (given_.format != "json") std::printf("%s\n", texts_.get(code, common_.language, facts).c_str());
  }
  void uncovered(const char* code, const Facts& facts) {
    not_covered_.emplace_back(texts_.get(code, common_.language, facts));
  }

  Status look() {
    std::vector<logs::RecordedHead> recorded;
    {
      auto lease = MAMORI_TRY(services_.database.read());
      recorded = MAMORI_TRY(logs::recorded_heads(*lease));
    }
    auto& archive = services_.logs.archive();
    std::map<archive::StreamName, const archive::Stream*> streams;
    for (const auto& name : MAMORI_TRY(archive.names())) {
      const auto stream = archive.stream(name);
      if (stream)
        streams[name] = *stream;
      else
        unopened(name, stream.error());
    }

    auto snapshot = MAMORI_TRY(services_.database.snapshot());
    MAMORI_TRY(look_at_journal(*snapshot));
    MAMORI_TRY(look_at_records(*snapshot));
    if (!given_.heads.empty()) {
      fit_ = check_heads(services_.logs, services_.signing_key, given_.heads, kept_, findings_);
      if (fit_ > 0) say("cli.verify.heads", {{"heads", number(fit_)}});
    }
    std::set<archive::StreamName> missed;
    for (const auto& head : recorded)
      if (!missed.contains(head.name) && !unopened_.contains(head.name) && !look_for(head, streams))
        missed.insert(head.name);
    for (const auto& [name, stream] : streams) {
      if (name.base() == "journal") MAMORI_TRY(hold(*snapshot, name, *stream));
      look_at(name, *stream);
      MAMORI_TRY(look_at_fields(*snapshot, name, *stream));
    }
    MAMORI_TRY(look_for_entries_without_stream(*snapshot, streams, recorded));
    uncovered("cli.verify.not-looked-at", {});
    if (recorded.empty()) uncovered("cli.verify.nothing-recorded", {});
    if (given_.heads.empty()) uncovered("cli.verify.no-kept-heads", {});
    return {};
  }

  Status look_at_journal(store::Connection& connection) {
    const auto state = store::verify_journal(connection);
    if (!state) {
      if (state.error().kind != ErrorKind::corrupt) return state.error();
      findings_.add(state.error());
      return {};
    }
    entries_ = state->entries;
    head_ = state->head;
    say("cli.verify.journal", {{"entries", std::to_string(entries_)}, {"head", head_}});
    return {};
  }

  Status look_at_records(store::Connection& connection) {
    const auto checked = ledger::verify_records(
        connection, services_.ledger.registers(),
        [&](const ledger::Deviation& deviation) {
          const auto* field = deviation.reg->find(deviation.field);
          findings_.add(deviation.what,
                        {{"register", deviation.reg->label.in(common_.language)},
                         {"number", deviation.number.empty() ? deviation.id : deviation.number},
                         {"label", deviation.label},
                         {"field", field ? field->label.in(common_.language) : deviation.field},
                         {"id", deviation.id}});
        },
        [&](std::string_view hash) { return services_.blobs.get(hash).has_value(); });
    if (!checked) {
      if (checked.error().kind != ErrorKind::corrupt) return checked.error();
      findings_.add(checked.error());
      return {};
    }
    records_ = checked->records;
    if (checked->deviations == 0 && checked->attachments > 0)
      say("cli.verify.attachments", {{"count", number(checked->attachments)}});
    if (checked->deviations == 0) say("cli.verify.records", {{"records", number(records_)}});
    return {};
  }

  // The others are looked at all the same.
  void unopened(const archive::StreamName& name, const Error& error) {
    unopened_.insert(name);
    findings_.add(error);
    uncovered("cli.verify.stream-unopened", {{"stream", name.name}, {"facility", name.facility}});
    streams_.push_back(json::object{{"facility", name.facility}, {"stream", name.name}, {"valid", false}});
  }

  // Absence is no success: what was signed once must still be there. Of each stream the newest such head is
  // asked for first; false where something was found to say.
  bool look_for(const logs::RecordedHead& head,
                const std::map<archive::StreamName, const archive::Stream*>& streams) {
    const Facts facts = {{"stream", head.name.name},
                         {"facility", head.name.facility},
                         {"events", number(head.size)},
                         {"at", iso_instant(head.at)}};
    const auto found = streams.find(head.name);
    const auto tell = [&](const char* code, const Facts& told) {
      findings_.add(code, told);
      return false;
    };
    if (found == streams.end()) return tell("cli.verify.stream-gone", facts);
    const auto& stream = *found->second;
    if (stream.size() < head.size) {
      auto more = facts;
      more.emplace_back("now", number(stream.size()));
      return tell("cli.verify.stream-shorter", more);
    }
    const auto root = stream.root_at(head.size);
    // Of what retention took, proofs are kept from the heads of one a day only.
    if (!root && head.size < stream.first() && !newest_asked_.insert(head.name).second) return true;
    if (!root || proof::to_base64(*root) != head.root) return tell("cli.verify.stream-other", facts);
    if (!newest_asked_.insert(head.name).second) return true;
    const auto heads = stream.heads();
    if (std::none_of(heads.begin(), heads.end(), [&](const proof::Head& one) {
          return one.size == head.size && proof::to_base64(one.root) == head.root;
        }))
      return tell("cli.verify.head-gone", facts);
    return true;
  }

  Status hold(store::Connection& connection, const archive::StreamName& name, const archive::Stream& stream) {
    std::size_t told = 0;
    const auto held =
        logs::hold_journal(connection, stream, name.facility, [&](std::int64_t sequence, const char* what) {
          if (told++ < kMostTold)
            findings_.add(what, {{"sequence", std::to_string(sequence)}, {"stream", name.name}});
        });
    if (!held) {
      findings_.add(held.error());
      return {};
    }
    if (told > kMostTold)
      findings_.add("cli.verify.entries-more", {{"count", number(told - kMostTold)}, {"stream", name.name}});
    if (told == 0)
      say("cli.verify.entries", {{"entries", number(held->compared)},
                                 {"first", std::to_string(held->first)},
                                 {"last", std::to_string(held->last)},
                                 {"stream", name.name}});
    if (held->behind > 0)
      uncovered(
          "cli.verify.entries-behind",
          {{"count", number(held->behind)}, {"last", std::to_string(held->last)}, {"stream", name.name}});
    return {};
  }

  // Where a facility has logs its journal has a stream, from its first minute on.
  Status look_for_entries_without_stream(store::Connection& connection,
                                         const std::map<archive::StreamName, const archive::Stream*>& streams,
                                         const std::vector<logs::RecordedHead>& recorded) {
    std::set<std::string> with_logs, with_journal;
    for (const auto& [name, stream] : streams) {
      with_logs.insert(name.facility);
      if (name.base() == "journal") with_journal.insert(name.facility);
    }
    for (const auto& head : recorded) with_logs.insert(head.name.facility);
    for (const auto& name : unopened_)  // told already
      if (name.base() == "journal") with_journal.insert(name.facility);
    std::int64_t without = 0;
    MAMORI_TRY(connection.each(
        "SELECT facility, COUNT(*), MIN(at) FROM journal GROUP BY facility", {}, [&](store::Row& row) {
          const auto facility = store::as_text(row[0]);
          if (with_journal.contains(facility)) return;
          const auto entries = store::as_integer(row[1]);
          without += entries;
          if (with_logs.contains(facility) && is_old(from_millis(store::as_integer(row[2]))))
            findings_.add("cli.verify.journal-gone",
                          {{"facility", facility}, {"entries", std::to_string(entries)}});
        }));
    if (without > 0) uncovered("cli.verify.entries-without", {{"count", std::to_string(without)}});
    return {};
  }

  // What a running server would have signed, copied or noted since.
  bool is_old(Instant at) const { return services_.clock.now() - at > std::chrono::hours(1); }

  Status look_at_fields(store::Connection& connection, const archive::StreamName& name,
                        const archive::Stream& stream) {
    std::uint64_t told = 0;
    const auto done =
        logs::reread(connection, name, stream, [&](proof::LeafIndex index, const std::string& fields) {
          if (told++ < kMostTold)
            findings_.add("cli.verify.field-differs", {{"event", number(index)},
                                                       {"stream", name.name},
                                                       {"facility", name.facility},
                                                       {"fields", fields}});
        });
    if (!done) {
      if (done.error().kind == ErrorKind::unavailable) return done.error();
      findings_.add(done.error());
      return {};
    }
    if (told > kMostTold)
      findings_.add("cli.verify.fields-more", {{"count", number(told - kMostTold)}, {"stream", name.name}});
    if (told == 0 && done->agree > 0)
      say("cli.verify.fields", {{"events", number(done->agree)}, {"stream", name.name}});
    if (done->unproven > 0)
      uncovered("cli.verify.fields-unproven", {{"count", number(done->unproven)}, {"stream", name.name}});
    return {};
  }

  void tell_damage(const archive::StreamName& name, const archive::Damage& damage) const {
    const Facts facts = {
        {"file", damage.file}, {"first", number(damage.first)}, {"last", number(damage.last)}};
    std::fprintf(stderr, "%s/%s: %s (%s, %s–%s)\n", name.facility.c_str(), name.name.c_str(),
                 texts_.get(damage.what, common_.language, facts).c_str(), damage.file.c_str(),
                 number(damage.first).c_str(), number(damage.last).c_str());
  }

  // How far it was looked at, and what lies behind the newest signature.
  void look_at(const archive::StreamName& name, const archive::Stream& stream) {
    const auto all = stream.size();
    const auto verified = stream.verify([&](const archive::Damage& damage) { tell_damage(name, damage); },
                                        [&](std::uint64_t done) {
                                          progress(name.name, done, all);
                                          return true;
                                        });
    const auto heads = stream.heads();
    json::object told = {{"facility", name.facility},
                         {"stream", name.name},
                         {"valid", verified.has_value()},
                         {"events", all},
                         {"first", stream.first()}};
    if (!verified)
      findings_.add(verified.error());
    else
      say("cli.verify.stream", {{"stream", name.name},
                                {"events", number(verified->events)},
                                {"heads", number(verified->heads)},
                                {"root", proof::to_base64(verified->root)}});
    if (verified) told["read"] = verified->events;
    const Facts facts = {{"stream", name.name},
                         {"first", number(stream.first())},
                         {"last", number(all == 0 ? 0 : all - 1)},
                         {"removed", number(stream.first())}};
    auto more = facts;
    if (heads.empty()) {
      const Facts unsigned_events = {{"stream", name.name}, {"events", number(all)}};
      const auto oldest =
          all > stream.first() ? stream.event(stream.first()) : Result<archive::Kept>(archive::Kept());
      if (all > 0 && (!oldest || is_old(oldest->event.received)))
        findings_.add("cli.verify.never-signed", unsigned_events);
      else if (all > 0)
        uncovered("cli.verify.stream-unsigned", unsigned_events);
    } else {
      const auto behind = all - std::min(all, heads.back().size);
      told["newest_head"] = json::object{{"size", heads.back().size}, {"at", iso_instant(heads.back().at)}};
      told["behind"] = behind;
      more.emplace_back("at", iso_instant(heads.back().at));
      more.emplace_back("size", number(heads.back().size));
      more.emplace_back("behind", number(behind));
      if (verified)
        say("cli.verify.stream-reach", more);
      else
        uncovered("cli.verify.stream-unwhole", {{"stream", name.name}});
    }
    if (!given_.heads.empty()) {
      const auto kept = kept_.find(stream.origin());
      if (kept == kept_.end()) {
        if (all > 0) uncovered("cli.verify.stream-not-kept", facts);
      } else {
        told["kept_head"] = json::object{{"size", kept->second.size}, {"at", iso_instant(kept->second.at)}};
        uncovered("cli.verify.stream-kept",
                  {{"stream", name.name},
                   {"at", iso_instant(kept->second.at)},
                   {"size", number(kept->second.size)},
                   {"behind", number(all - std::min(all, kept->second.size))},
                   {"hours", std::to_string(std::chrono::duration_cast<std::chrono::hours>(
                                                services_.clock.now() - kept->second.at)
                                                .count())}});
      }
    }
    streams_.push_back(std::move(told));
  }

  std::set<archive::StreamName> unopened_, newest_asked_;
  static constexpr std::size_t kMostTold = 20;  // entries of one stream

  api::Services& services_;
  const Common& common_;
  const Given& given_;
  const Texts& texts_;
  Findings findings_;
  KeptHeads kept_;
  std::int64_t entries_ = 0;
  std::string head_;
  std::size_t records_ = 0, fit_ = 0;
  json::array streams_, not_covered_;
};

constexpr int kSignerUnchecked = 7;

// Anybody can sign: whole means much only where it is known whose key it is.
int end_of(const Given& given, const Common& common, const Texts& texts, const std::string& fingerprint) {
  if (!given.key.empty()) return 0;
  if (given.format != "json")
    std::printf(
        "%s\n",
        texts.get("cli.verify.signer-unchecked", common.language, {{"fingerprint", fingerprint}}).c_str());
  return kSignerUnchecked;
}

// A package file, or the data directory where no file is given.
int verify(const Common& common, const Given& given) {
  const auto home = server::find_home(common.home);
  if (!home) return fail(home.error(), common);
  const auto texts = Texts::load(home->data / "texts");
  if (!texts) return fail(texts.error(), common);
  if (given.file.empty()) {
    auto session = Session::open(common);
    if (!session) return fail(session.error(), common);
    return Whole(*session, common, given, *texts).run();
  }
  const auto bytes = read_file(given.file, std::size_t{2} << 30);
  if (!bytes) return fail(bytes.error(), common);
  if (report::is_log_export(*bytes)) {
    const auto verified = report::verify_logs(*bytes, given.key, given.stamp_authority);
    if (!verified) return print_failure(verified.error(), common, given);
    if (given.format == "json")
      std::printf("%s", pretty(json::object{{"valid", true},
                                            {"origin", verified->origin},
                                            {"question", verified->question},
                                            {"signer_checked", !given.key.empty()},
                                            {"made_at", verified->made_at},
                                            {"fingerprint", verified->fingerprint},
                                            {"events", verified->events},
                                            {"size", verified->size},
                                            {"lost", lost_json(*verified)},
                                            {"stamped_at", verified->stamp
                                                               ? json::value(iso_instant(verified->stamp->at))
                                                               : json::value(nullptr)}})
                            .c_str());
    else
      std::printf("%s\n", texts
                              ->get(verified->lost.empty() ? "cli.verify.logs" : "cli.verify.logs-lost",
                                    common.language,
                                    {{"origin", verified->origin},
                                     {"made_at", verified->made_at},
                                     {"fingerprint", verified->fingerprint},
                                     {"events", std::to_string(verified->events)},
                                     {"size", std::to_string(verified->size)}})
                              .c_str());
    if (given.format != "json")
      for (const auto& [first, last] : verified->lost)
        std::printf("%s\n", texts
                                ->get("cli.verify.lost", common.language,
                                      {{"first", std::to_string(first)}, {"last", std::to_string(last)}})
                                .c_str());
    if (verified->stamp && given.format != "json")
      std::printf(
          "%s\n",
          texts
              ->get(given.stamp_authority.empty() ? "cli.verify.stamp-unchecked" : "cli.verify.stamp",
                    common.language,
                    {{"at", iso_instant(verified->stamp->at)}, {"authority", verified->stamp->authority}})
              .c_str());
    return end_of(given, common, *texts, verified->fingerprint);
  }
  const auto verified = report::verify_package(*bytes, given.key);
  if (!verified) return print_failure(verified.error(), common, given);
  if (given.format == "json")
    std::printf("%s", pretty(json::object{{"valid", true},
                                          {"facility", verified->facility},
                                          {"signer_checked", !given.key.empty()},
                                          {"made_at", verified->made_at},
                                          {"fingerprint", verified->fingerprint},
                                          {"files", verified->files}})
                          .c_str());
  else
    std::printf("%s\n", texts
                            ->get("cli.verify.package", common.language,
                                  {{"facility", verified->facility},
                                   {"made_at", verified->made_at},
                                   {"fingerprint", verified->fingerprint},
                                   {"files", std::to_string(verified->files)}})
                            .c_str());
  return end_of(given, common, *texts, verified->fingerprint);
}

}  // namespace

void add_verify(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("verify",
                                     "check an inspection package or a log export (needs no database), or "
                                     "the journal and all logs of --data");
  auto given = std::make_shared<Given>();
  command->add_option("file", given->file,
                      "the package or export; without it the journal and the logs of --data are checked");
  command->add_option("--key", given->key, "public key (hex) that must have signed it");
  command->add_option("--stamp-ca", given->stamp_authority, "who vouches for the time stamp authority (PEM)")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--heads", given->heads,
                   "signed heads kept elsewhere (a file, a mail, a hub's export, or a folder of them): the "
                   "logs of --data must still lead to each")
      ->check(CLI::ExistingPath);
  command->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->footer(
      "Without a file: the journal's chain, every record against its last entry, the journal against its "
      "signed stream, each stream that was ever\n"
      "signed, and with --heads the heads kept elsewhere; what could not be seen is printed too.\n"
      "Exit codes: 0 whole, as far as printed; 1 something is altered, missing, shorter than it was signed, "
      "or a head is broken (each is named);\n"
      "7 a file is whole, but without --key it is not known whose signature it bears; others as `mamori "
      "--help`.");
  command->callback([&common, &run, given] { run = [&common, given] { return verify(common, *given); }; });
}

}  // namespace mamori::cli
