#include "logs/witness.h"

#include <fmt/format.h>

#include "base/crypto.h"
#include "base/file.h"
#include "base/json.h"
#include "os/file.h"

namespace mamori::logs {
namespace {

constexpr store::Migration kSchema[] = {
    {"logs.2",
     "CREATE TABLE log_stamp (facility {text} NOT NULL, stream {text} NOT NULL, size BIGINT NOT NULL, token "
     "{text} NOT NULL, PRIMARY KEY (facility, stream, size));"},
};

constexpr std::size_t kLargestNote = 64u << 10;

// RFC 2047: a heading that is not ASCII.
std::string heading(const std::string& text) { return "=?UTF-8?B?" + to_base64(text) + "?="; }

std::string in_lines(const std::string& base64) {
  std::string out;
  for (std::size_t i = 0; i < base64.size(); i += 76) out += base64.substr(i, 76) + "\r\n";
  return out;
}

std::string mail_date(Instant at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format("{}, {:02} {} {} {} +0000", kDays[std::chrono::weekday{day}.c_encoding()],
                     static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), iso_instant(at).substr(11, 8));
}

}  // namespace

Status Witness::migrate(store::Database& database) { return database.migrate(kSchema); }

Status Witness::keep(const archive::StreamName& name, const proof::Head& head) const {
  const auto token = stamp(name, head);
  const auto copied = copy(name, head, token ? *token : "");
  const auto told = tell_hub(name, head);
  if (!token) return token.error();
  return copied ? told : copied;
}

Result<std::string> Witness::stamp(const archive::StreamName& name, const proof::Head& head) const {
  if (options_.stamp_url.empty() || head.size == 0) return std::string();
  if (const auto known = MAMORI_TRY(stamp_of(database_, name, head))) return known->token;
  const auto stamp =
      MAMORI_TRY(proof::ask_for_stamp(options_.stamp_url, head.note, options_.stamp_authority));
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute(
      "INSERT INTO log_stamp VALUES (?,?,?,?) ON CONFLICT (facility, stream, size) DO NOTHING",
      {name.facility, name.name, static_cast<std::int64_t>(head.size), to_base64(stamp.token)}));
  MAMORI_TRY(transaction.commit());
  return stamp.token;
}

Status Witness::copy(const archive::StreamName& name, const proof::Head& head,
                     const std::string& token) const {
  if (options_.folder.empty()) return {};
  // A share that is not there is not made on the disk that it should watch over.
  if (!MAMORI_TRY(os::Disk::real().exists(options_.folder)))
    return Error{ErrorKind::not_found, "logs.copy.folder", {{"directory", options_.folder.string()}}};
  const auto place = options_.folder / name.facility / name.name;
  const auto file = (place / (iso_date(date_of(head.at)) + "_" + std::to_string(head.size))).string();
  MAMORI_TRY(os::make_directory(place, os::Visibility::shared));
  // A copy is never replaced: one that says something else of as many events is just what it was kept for.
  auto there = os::read_file(file + ".note", kLargestNote, os::Disk::real());
  if (!there && there.error().kind != ErrorKind::not_found) return there.error();
  const auto stem = !there || *there == head.note
                        ? file
                        : file + "_" + to_hex({reinterpret_cast<const char*>(head.root.data()), 4});
  if (stem != file) there = os::read_file(stem + ".note", kLargestNote, os::Disk::real());
  if (!there) MAMORI_TRY(os::write_file(stem + ".note", head.note));
  if (!token.empty()) MAMORI_TRY(os::write_file(stem + ".tsr", token));
  return {};
}

// One line of its logs, as from any other source: there it is under the hub's own proof.
Status Witness::tell_hub(const archive::StreamName& name, const proof::Head& head) const {
  if (options_.hub_url.empty() || head.size == 0) return {};
  const auto line = json::serialize(json::object{{"time", iso_instant(head.at)},
                                                 {"action", "tree-head"},
                                                 {"object", head.origin},
                                                 {"stream", name.name},
                                                 {"size", head.size},
                                                 {"root", proof::to_base64(head.root)},
                                                 {"note", head.note}});
  const auto answer = MAMORI_TRY(net::ask_web(
      {.url = options_.hub_url + "/ingest/lines",
       .method = "POST",
       .headers = {"Authorization: Bearer " + options_.hub_token.reveal(), "Content-Type: text/plain"},
       .body = line,
       .authority = options_.hub_authority,
       .limit = std::chrono::seconds(20),
       .largest_answer = 64u << 10}));
  if (answer.status != 201)
    return Error{ErrorKind::unavailable,
                 "collect.log.hub",
                 {{"host", options_.hub_url}, {"reason", std::to_string(answer.status)}}};
  return {};
}

Status Witness::mail(const std::vector<std::pair<archive::StreamName, proof::Head>>& heads,
                     const Texts& texts, const std::string& language, Instant now) const {
  if (options_.mail_server.url.empty() || options_.mail_to.empty() || heads.empty()) return {};
  std::string body = texts.get("logs.heads-mail.lead", language) + "\r\n";
  for (const auto& [name, head] : heads) {
    body += "\r\n";
    for (const char c : head.note) {
      if (c == '\n') body += '\r';
      body += c;
    }
  }
  std::string to;
  for (const auto& address : options_.mail_to) to += (to.empty() ? "" : ", ") + address;
  const auto message = fmt::format(
      "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
      "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
      options_.mail_from, to,
      heading(texts.get("logs.heads-mail.subject", language, {{"at", iso_date(date_of(now))}})),
      mail_date(now), in_lines(to_base64(body)));
  return net::send_mail(options_.mail_server, options_.mail_from, options_.mail_to, message);
}

Result<std::optional<proof::TimeStamp>> stamp_of(store::Database& database, const archive::StreamName& name,
                                                 const proof::Head& head) {
  auto lease = MAMORI_TRY(database.read());
  const auto rows =
      MAMORI_TRY(lease->query("SELECT token FROM log_stamp WHERE facility = ? AND stream = ? AND size = ?",
                              {name.facility, name.name, static_cast<std::int64_t>(head.size)}));
  if (rows.rows.empty()) return std::optional<proof::TimeStamp>();
  const auto token = from_base64(store::as_text(rows.rows[0][0]));
  if (!token) return Error{ErrorKind::corrupt, "archive.stamp.bad", {{"reason", "base64"}}};
  return std::optional(MAMORI_TRY(proof::check_stamp(*token, head.note, "")));
}

}  // namespace mamori::logs
