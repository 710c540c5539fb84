#include "identity/users.h"

#include <fmt/format.h>
#include <liboath/oath.h>

#include "base/log.h"
#include "base/text.h"

namespace mamori::identity {
namespace {

constexpr store::Migration kSchema[] = {
    {"identity.1",
     "CREATE TABLE users (id {text} PRIMARY KEY, login {text} NOT NULL UNIQUE, name {text} NOT NULL, "
     "password_hash {text} NOT NULL, enabled BOOLEAN NOT NULL, totp_sealed {text}, totp_pending {text}, "
     "totp_step BIGINT NOT NULL, failures BIGINT NOT NULL, locked_until BIGINT, created_at BIGINT NOT NULL, "
     "last_login_at BIGINT);"
     "CREATE TABLE user_roles (user_id {text} NOT NULL REFERENCES users (id), facility {text} NOT NULL, role "
     "{text} NOT NULL, PRIMARY KEY (user_id, facility, role));"
     "CREATE TABLE sessions (id {text} PRIMARY KEY, token_hash {text} NOT NULL UNIQUE, user_id {text} NOT "
     "NULL REFERENCES users (id), started_at BIGINT NOT NULL, last_seen_at BIGINT NOT NULL, address {text} "
     "NOT NULL, agent {text} NOT NULL);"},
};

constexpr std::string_view kUserColumns =
    "id, login, name, enabled, totp_sealed, (SELECT MAX(a.shut_until) FROM sign_in_attempt a WHERE a.user_id "
    "= "
    "users.id), last_login_at";
constexpr std::size_t kMostJournals = 50;  // facilities that an entry about a user is written for, one each
constexpr int kTotpStep = 30;
constexpr int kTotpWindow = 1;  // steps of clock difference that are forgiven

Error login_failed() { return {ErrorKind::unauthenticated, "identity.login.failed"}; }
Error no_session() { return {ErrorKind::unauthenticated, "identity.session.none"}; }
Error no_user() { return {ErrorKind::not_found, "identity.user.missing"}; }

User user_of(const store::Row& row, Instant now) {
  User user;
  user.id = store::as_text(row[0]);
  user.login = store::as_text(row[1]);
  user.name = store::as_text(row[2]);
  user.enabled = store::as_integer(row[3]) != 0;
  user.has_totp = !store::is_null(row[4]);
  user.locked_until = store::as_instant(row[5]);
  if (user.locked_until && *user.locked_until <= now) user.locked_until.reset();
  user.last_login_at = store::as_instant(row[6]);
  return user;
}

Session session_of(const store::Row& row) {
  return {store::as_text(row[0]),
          store::as_text(row[1]),
          from_millis(store::as_integer(row[2])),
          from_millis(store::as_integer(row[3])),
          store::as_text(row[4]),
          store::as_text(row[5])};
}

Status add_roles(store::Connection& connection, User& user) {
  return connection.each("SELECT facility, role FROM user_roles WHERE user_id = ?", {user.id},
                         [&](store::Row& row) {
                           if (const auto role = parse_role(store::as_text(row[1])))
                             user.roles[store::as_text(row[0])].insert(*role);
                         });
}

std::string role_names(const std::string& node, const std::set<Role>& roles) {
  json::array names;
  for (const auto role : roles) names.emplace_back(name_of(role));
  json::object out = {{"roles", names}};
  if (store::is_group(node)) out["at"] = node;
  return json::serialize(out);
}

// As facilities write what they belong to. Error: identity.node.bad.
Result<std::string> node_of(const std::string& given) {
  if (!store::is_group(given) || given == store::kEverywhere) return given;
  const auto colon = given.find(':');
  const auto kind = given.substr(0, colon), value = fold(given.substr(colon + 1));
  if (kind.empty() || kind.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != kind.npos || value.empty() ||
      value.size() > 500)
    return Error{ErrorKind::invalid, "identity.node.bad", {{"node", std::string(head(given, 100))}}};
  return kind + ":" + value;
}

// These, and no others.
Status give(store::Connection& connection, const std::string& id, const std::string& node,
            const std::set<Role>& roles) {
  MAMORI_TRY(connection.execute("DELETE FROM user_roles WHERE user_id = ? AND facility = ?", {id, node}));
  for (const auto role : roles)
    MAMORI_TRY(
        connection.execute("INSERT INTO user_roles VALUES (?,?,?)", {id, node, std::string(name_of(role))}));
  return {};
}

// Whose journal it stands in: what is about a group of facilities is the installation's.
std::string journal_of(const std::string& node) { return store::is_group(node) ? "" : node; }

// Into the journal of every facility in which the user has a role.
void tell(store::Transaction& transaction, const store::Actor& actor, const User& user,
          const std::string& action, const std::string& said = "") {
  std::set<std::string> journals;
  for (const auto& [node, held] : user.roles)
    if (journals.size() < kMostJournals) journals.insert(journal_of(node));
  if (journals.empty()) journals.insert("");
  for (const auto& facility : journals)
    transaction.journal(
        actor, {facility, "user", user.id, action, "", "", user.login + (said.empty() ? "" : ": ") + said});
}

std::string to_base32(const std::string& bytes) {
  char* text = nullptr;
  std::size_t size = 0;
  MAMORI_ASSERT(oath_base32_encode(bytes.data(), bytes.size(), &text, &size) == OATH_OK);
  std::string out(text, size);
  std::free(text);
  while (out.ends_with('=')) out.pop_back();
  return out;
}

}  // namespace

store::Scope User::scope_with(Permission permission) const {
  std::vector<std::string> nodes;
  for (const auto& [node, held] : roles)
    if (std::any_of(held.begin(), held.end(), [&](Role role) { return allows(role, permission); }))
      nodes.push_back(node);
  return store::Scope::session(nodes);
}

store::Scope User::scope_with(Permission permission, const std::vector<std::string>& named) const {
  std::vector<std::string> nodes;
  for (const auto& [node, held] : roles)
    if (std::any_of(held.begin(), held.end(), [&](Role role) {
          return allows(role, permission) &&
                 std::find(named.begin(), named.end(), name_of(role)) != named.end();
        }))
      nodes.push_back(node);
  return store::Scope::session(nodes);
}

store::Scope User::scope_of_all() const {
  std::vector<std::string> nodes;
  for (const auto& [node, held] : roles) nodes.push_back(node);
  return store::Scope::session(nodes);
}

Result<std::unique_ptr<Users>> Users::open(store::Database& database, const Sealer& sealer) {
  MAMORI_TRY(database.migrate(kSchema));
  MAMORI_TRY(database.migrate(Attempts::schema()));
  oath_init();
  return std::unique_ptr<Users>(new Users(database, sealer));
}

Result<bool> Users::any() const {
  auto lease = MAMORI_TRY(database_.read());
  const auto rows = MAMORI_TRY(lease->query("SELECT id FROM users LIMIT 1"));
  return !rows.rows.empty();
}

Result<User> Users::read_user(store::Connection& connection, const std::string& column,
                              const std::string& value) const {
  const auto rows = MAMORI_TRY(
      connection.query(fmt::format("SELECT {} FROM users WHERE {} = ?", kUserColumns, column), {value}));
  if (rows.rows.empty()) return no_user();
  auto user = user_of(rows.rows[0], database_.clock().now());
  MAMORI_TRY(add_roles(connection, user));
  return user;
}

Result<Users::Checked> Users::check(const NewUser& fresh, const PasswordContext& context) {
  Checked checked{fresh, ""};
  auto& user = checked.user;
  user.login = std::string(trim(fresh.login));
  user.name = std::string(trim(fresh.name));
  Error bad{ErrorKind::invalid, "identity.user.invalid"};
  if (user.login.size() < 2 || user.login.size() > 64 ||
      user.login.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") !=
          std::string::npos)
    bad.problems.push_back({"login", "identity.login.bad", {}});
  // printable() changes nothing where every character can be shown.
  if (user.name.empty() || length(user.name) > 100 || printable(user.name, 100) != user.name)
    bad.problems.push_back({"name", "identity.name.bad", {}});
  auto names = context;
  names.names.push_back(fresh.login);
  names.names.push_back(fresh.name);
  if (const auto strong = check_password(fresh.password, names); !strong)
    bad.problems.insert(bad.problems.end(), strong.error().problems.begin(), strong.error().problems.end());
  if (!bad.problems.empty()) return bad;
  checked.password_hash = MAMORI_TRY(hash_password(fresh.password));
  return checked;
}

Result<User> Users::create(const store::Actor& actor, const NewUser& fresh, const PasswordContext& context) {
  const auto checked = MAMORI_TRY(check(fresh, context));  // takes its time: before the transaction
  auto transaction = MAMORI_TRY(database_.begin());
  auto user = MAMORI_TRY(create_in(transaction, actor, checked));
  MAMORI_TRY(transaction.commit());
  return user;
}

Result<User> Users::create_in(store::Transaction& transaction, const store::Actor& actor,
                              const Checked& checked) {
  const auto now = to_millis(database_.clock().now());
  User user;
  user.id = new_id(now);
  user.login = checked.user.login;
  user.name = checked.user.name;
  user.roles = checked.user.roles;
  const auto known = MAMORI_TRY(transaction->query("SELECT id FROM users WHERE login = ?", {user.login}));
  Error taken{ErrorKind::conflict, "identity.user.invalid"};
  taken.problems.push_back({"login", "identity.login.taken", {{"login", user.login}}});
  if (!known.rows.empty()) return taken;
  const auto made = transaction->execute(
      "INSERT INTO users (id, login, name, password_hash, enabled, totp_step, failures, created_at) VALUES "
      "(?,?,?,?,?,?,?,?)",
      {user.id, user.login, user.name, checked.password_hash, true, std::int64_t{0}, std::int64_t{0}, now});
  if (!made) {
    if (made.error().code != "store.duplicate") return made.error();
    return taken;
  }
  for (const auto& [given, roles] : user.roles) {
    const auto node = MAMORI_TRY(node_of(given));
    MAMORI_TRY(give(*transaction, user.id, node, roles));
    transaction.journal(
        actor, {journal_of(node), "user", user.id, "created", "", role_names(node, roles), user.login});
  }
  return user;
}

Result<User> Users::set_roles(const store::Actor& actor, const std::string& id, const std::string& node,
                              const std::set<Role>& roles) {
  auto transaction = MAMORI_TRY(database_.begin());
  // Read before the commit: after it nothing may fail any more.
  auto changed = MAMORI_TRY(set_roles_in(transaction, actor, id, node, roles));
  MAMORI_TRY(transaction.commit());
  return changed;
}

Result<User> Users::set_roles_in(store::Transaction& transaction, const store::Actor& actor,
                                 const std::string& id, const std::string& given,
                                 const std::set<Role>& roles) {
  const auto node = MAMORI_TRY(node_of(given));
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  const auto before = user.roles.contains(node) ? user.roles.at(node) : std::set<Role>{};
  MAMORI_TRY(give(*transaction, id, node, roles));
  transaction.journal(actor, {journal_of(node), "user", id, "updated", role_names(node, before),
                              role_names(node, roles), user.login});
  return read_user(*transaction, "id", id);
}

Result<std::set<std::string>> Users::facilities_in_use() const {
  std::set<std::string> out;
  auto lease = MAMORI_TRY(database_.read());
  MAMORI_TRY(lease->each(
      "SELECT DISTINCT facility FROM user_roles WHERE user_id IN (SELECT id FROM users WHERE enabled = ?)",
      {true}, [&](store::Row& row) { out.insert(store::as_text(row[0])); }));
  return out;
}

Status Users::set_enabled(const store::Actor& actor, const std::string& id, bool enabled) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  MAMORI_TRY(transaction->execute("UPDATE users SET enabled = ? WHERE id = ?", {enabled, id}));
  if (!enabled) MAMORI_TRY(transaction->execute("DELETE FROM sessions WHERE user_id = ?", {id}));
  tell(transaction, actor, user, enabled ? "enabled" : "disabled");
  return transaction.commit();
}

Status Users::set_password(const store::Actor& actor, const std::string& id, const Secret& password,
                           const PasswordContext& context) {
  const auto user = MAMORI_TRY(get(id));
  auto names = context;
  names.names.push_back(user.login);
  names.names.push_back(user.name);
  MAMORI_TRY(check_password(password, names));
  const auto hash = MAMORI_TRY(hash_password(password));
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute("UPDATE users SET password_hash = ? WHERE id = ?", {hash, id}));
  MAMORI_TRY(Attempts::forgive(*transaction, id));
  MAMORI_TRY(transaction->execute("DELETE FROM sessions WHERE user_id = ?", {id}));
  tell(transaction, actor, user, "password_changed");
  return transaction.commit();
}

Status Users::prove(const store::Actor& actor, const std::string& id, const Secret& password,
                    const std::string& code, bool with_code, const std::string& address) {
  const Attempts attempts(id, address, database_.clock().now());
  const auto wrong = [](const char* field, const char* problem) {
    Error error{ErrorKind::invalid, "identity.user.invalid"};
    error.problems.push_back({field, problem, {}});
    return error;
  };
  std::string hash;
  {
    auto lease = MAMORI_TRY(database_.read());
    if (MAMORI_TRY(attempts.shut(*lease))) return wrong("current", "identity.password.current");
    const auto rows = MAMORI_TRY(lease->query("SELECT password_hash FROM users WHERE id = ?", {id}));
    if (rows.rows.empty()) return no_user();
    hash = store::as_text(rows.rows[0][0]);
  }
  if (!password_matches(hash, password)) {
    MAMORI_TRY(count_failure(actor, attempts, id, "password"));
    return wrong("current", "identity.password.current");
  }
  if (!with_code) return {};
  auto transaction = MAMORI_TRY(database_.begin());
  const auto rows =
      MAMORI_TRY(transaction->query("SELECT totp_sealed, totp_step FROM users WHERE id = ?", {id}));
  if (store::is_null(rows.rows[0][0])) return {};
  const bool right = MAMORI_TRY(accept_code(transaction, id, store::as_text(rows.rows[0][0]), code,
                                            store::as_integer(rows.rows[0][1])));
  if (right) return transaction.commit();
  { const auto rolled_back = std::move(transaction); }
  MAMORI_TRY(count_failure(actor, attempts, id, "code"));
  return wrong("code", "identity.totp.wrong");
}

Status Users::count_failure(const store::Actor& actor, const Attempts& attempts, const std::string& id,
                            const std::string& said) {
  auto transaction = MAMORI_TRY(database_.begin());
  const bool shuts = MAMORI_TRY(attempts.count(*transaction));
  if (id.empty()) {
    transaction.journal(actor, {"", "user", "", "sign_in_failed", "", "", said});
    if (shuts) transaction.journal(actor, {"", "user", "", "locked", "", "", ""});  // whence: the actor
    return transaction.commit();
  }
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  tell(transaction, actor, user, "sign_in_failed", said);
  if (shuts) tell(transaction, actor, user, "locked");
  return transaction.commit();
}

Status Users::unlock(const store::Actor& actor, const std::string& id) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  MAMORI_TRY(Attempts::forgive(*transaction, id));
  tell(transaction, actor, user, "unlocked");
  return transaction.commit();
}

Result<User> Users::get(const std::string& id) const {
  auto lease = MAMORI_TRY(database_.read());
  return read_user(*lease, "id", id);
}

Result<User> Users::find_login(const std::string& login) const {
  auto lease = MAMORI_TRY(database_.read());
  return read_user(*lease, "login", login);
}

Result<std::vector<User>> Users::list(const std::string& node) const {
  auto lease = MAMORI_TRY(database_.read());
  std::vector<User> users;
  const auto now = database_.clock().now();
  MAMORI_TRY(lease->each(fmt::format("SELECT {} FROM users WHERE id IN (SELECT user_id FROM user_roles WHERE "
                                     "facility = ?) ORDER BY login",
                                     kUserColumns),
                         {node}, [&](store::Row& row) { users.push_back(user_of(row, now)); }));
  for (auto& user : users) MAMORI_TRY(add_roles(*lease, user));
  return users;
}

Result<std::map<std::string, std::set<Role>>> Users::roles_in(
    const User& user, const std::vector<std::string>& facilities) const {
  std::map<std::string, std::set<Role>> out;
  store::Row parameters;
  std::string marks;
  for (const auto& facility : facilities) {
    if (const auto own = user.roles.find(facility); own != user.roles.end()) out[facility] = own->second;
    marks += marks.empty() ? "?" : ",?";
    parameters.emplace_back(facility);
  }
  if (facilities.empty()) return out;
  auto lease = MAMORI_TRY(database_.read());
  MAMORI_TRY(
      lease->each(fmt::format("SELECT facility, node FROM facility_tree WHERE facility IN ({})", marks),
                  parameters, [&](store::Row& row) {
                    const auto held = user.roles.find(store::as_text(row[1]));
                    if (held != user.roles.end())
                      out[store::as_text(row[0])].insert(held->second.begin(), held->second.end());
                  }));
  return out;
}

Result<bool> Users::accept_code(store::Transaction& transaction, const std::string& id,
                                const std::string& sealed, const std::string& code, std::int64_t last_step) {
  const auto secret = MAMORI_TRY(sealer_.open(sealed));
  if (code.size() != 6 || code.find_first_not_of("0123456789") != code.npos) return false;
  const auto now = static_cast<time_t>(to_millis(database_.clock().now()) / 1000);
  int offset = 0;
  const int found = oath_totp_validate2(secret.reveal().data(), secret.reveal().size(), now, kTotpStep, 0,
                                        kTotpWindow, &offset, code.c_str());
  if (found < 0) return false;
  const auto step = static_cast<std::int64_t>(now) / kTotpStep + offset;
  if (step <= last_step) return false;  // a code that was overlooked over a shoulder is worth nothing
  MAMORI_TRY(transaction->execute("UPDATE users SET totp_step = ? WHERE id = ?", {step, id}));
  return true;
}

Result<SignedIn> Users::sign_in(const std::string& login, const Secret& password, const std::string& totp,
                                const std::string& address, const std::string& agent) {
  std::string id, hash;
  bool enabled = false;
  {
    auto lease = MAMORI_TRY(database_.read());
    const auto rows =
        MAMORI_TRY(lease->query("SELECT id, password_hash, enabled FROM users WHERE login = ?", {login}));
    if (!rows.rows.empty()) {
      id = store::as_text(rows.rows[0][0]);
      hash = store::as_text(rows.rows[0][1]);
      enabled = store::as_integer(rows.rows[0][2]) != 0;
    }
    // Before the slow part, which whoever is shut out is not given.
    if (MAMORI_TRY(Attempts(id, address, database_.clock().now()).shut(*lease))) return login_failed();
  }
  // The slow part stands outside the transaction. An unknown name costs the same time as a known one.
  static const std::string kNobody = *hash_password(Secret("nobody has this password"));
  const bool right = password_matches(id.empty() ? kNobody : hash, password) && !id.empty() && enabled;
  const auto now = database_.clock().now();
  const Attempts attempts(id, address, now);
  const store::Actor guest{id, printable(login, 64), "web " + address};
  if (!right) {
    MAMORI_TRY(count_failure(guest, attempts, id, id.empty() ? printable(login, 64) : ""));
    return login_failed();
  }

  auto transaction = MAMORI_TRY(database_.begin());
  const auto state =
      MAMORI_TRY(transaction->query("SELECT totp_sealed, totp_step FROM users WHERE id = ?", {id}));
  const auto sealed = store::as_text(state.rows[0][0]);
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  const store::Actor actor{id, user.name, "web " + address};
  // Others were tried while this one was looked at: many at once are no way around the count.
  if (MAMORI_TRY(attempts.shut(*transaction))) return login_failed();
  if (!sealed.empty()) {
    if (totp.empty()) return Error{ErrorKind::unauthenticated, "identity.totp.needed"};
    if (!MAMORI_TRY(accept_code(transaction, id, sealed, totp, store::as_integer(state.rows[0][1])))) {
      { const auto rolled_back = std::move(transaction); }
      MAMORI_TRY(count_failure(actor, attempts, id, "code"));
      return Error{ErrorKind::unauthenticated, "identity.totp.wrong"};
    }
  }
  SignedIn signed_in{
      Secret(to_hex(random_bytes(32))),
      {new_id(to_millis(now)), id, now, now, address, std::string(head(is_utf8(agent) ? agent : "", 200))}};
  MAMORI_TRY(transaction->execute("UPDATE users SET last_login_at = ? WHERE id = ?", {to_millis(now), id}));
  MAMORI_TRY(attempts.succeed(*transaction));
  MAMORI_TRY(transaction->execute("INSERT INTO sessions VALUES (?,?,?,?,?,?,?)",
                                  {signed_in.session.id, sha256_hex(signed_in.token.reveal()), id,
                                   to_millis(now), to_millis(now), address, signed_in.session.agent}));
  MAMORI_TRY(transaction->execute("DELETE FROM sessions WHERE last_seen_at < ? OR started_at < ?",
                                  {to_millis(now - kIdleLimit), to_millis(now - kSessionLimit)}));
  tell(transaction, actor, user, "signed_in");
  MAMORI_TRY(transaction.commit());
  return signed_in;
}

Result<std::pair<User, Session>> Users::session(const Secret& token) {
  const auto now = database_.clock().now();
  std::optional<std::pair<User, Session>> found;
  {
    auto lease = MAMORI_TRY(database_.read());
    const auto rows = MAMORI_TRY(lease->query(
        "SELECT id, user_id, started_at, last_seen_at, address, agent FROM sessions WHERE token_hash = ?",
        {sha256_hex(token.reveal())}));
    if (rows.rows.empty()) return no_session();
    auto session = session_of(rows.rows[0]);
    if (now - session.last_seen_at > kIdleLimit || now - session.started_at > kSessionLimit)
      return no_session();
    auto user = MAMORI_TRY(read_user(*lease, "id", session.user));
    if (!user.enabled) return no_session();
    found.emplace(std::move(user), std::move(session));
  }
  if (now - found->second.last_seen_at > std::chrono::minutes(1)) {  // not a write for each request
    // Whoever is signed in can look also where nothing can be written: then the session ends a little
    // earlier.
    if (const auto seen = note_seen(found->second.id, now); !seen)
      log::warning("sessions: " + describe(seen.error()));
  }
  return std::move(*found);
}

Status Users::note_seen(const std::string& session, Instant now) {
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(
      transaction->execute("UPDATE sessions SET last_seen_at = ? WHERE id = ?", {to_millis(now), session}));
  return transaction.commit();
}

Status Users::sign_out(const store::Actor& actor, const Session& session) {
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute("DELETE FROM sessions WHERE id = ?", {session.id}));
  tell(transaction, actor, MAMORI_TRY(read_user(*transaction, "id", session.user)), "signed_out");
  return transaction.commit();
}

Result<std::vector<Session>> Users::sessions(const std::string& user) const {
  auto lease = MAMORI_TRY(database_.read());
  const auto now = database_.clock().now();
  std::vector<Session> out;
  MAMORI_TRY(
      lease->each("SELECT id, user_id, started_at, last_seen_at, address, agent FROM sessions WHERE user_id "
                  "= ? AND last_seen_at >= ? AND started_at >= ? ORDER BY last_seen_at DESC",
                  {user, to_millis(now - kIdleLimit), to_millis(now - kSessionLimit)},
                  [&](store::Row& row) { out.push_back(session_of(row)); }));
  return out;
}

Status Users::revoke(const store::Actor& actor, const std::string& user, const std::string& session_id) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto count = MAMORI_TRY(
      transaction->execute("DELETE FROM sessions WHERE id = ? AND user_id = ?", {session_id, user}));
  if (count == 0) return Error{ErrorKind::not_found, "identity.session.none"};
  const auto owner = MAMORI_TRY(read_user(*transaction, "id", user));
  tell(transaction, actor, owner, "session_revoked");
  return transaction.commit();
}

Result<std::string> Users::begin_totp(const std::string& id) {
  const auto secret = random_bytes(20);
  auto transaction = MAMORI_TRY(database_.begin());
  MAMORI_TRY(transaction->execute("UPDATE users SET totp_pending = ? WHERE id = ?",
                                  {sealer_.seal(Secret(secret)), id}));
  MAMORI_TRY(transaction.commit());
  return to_base32(secret);
}

Status Users::confirm_totp(const store::Actor& actor, const std::string& id, const std::string& code) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto rows = MAMORI_TRY(transaction->query("SELECT totp_pending FROM users WHERE id = ?", {id}));
  if (rows.rows.empty() || store::is_null(rows.rows[0][0]))
    return Error{ErrorKind::conflict, "identity.totp.none"};
  const auto sealed = store::as_text(rows.rows[0][0]);
  if (!MAMORI_TRY(accept_code(transaction, id, sealed, code, 0)))
    return Error{ErrorKind::invalid, "identity.totp.wrong"};
  MAMORI_TRY(transaction->execute(
      "UPDATE users SET totp_sealed = totp_pending, totp_pending = NULL WHERE id = ?", {id}));
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  tell(transaction, actor, user, "totp_set");
  return transaction.commit();
}

Status Users::remove_totp(const store::Actor& actor, const std::string& id) {
  auto transaction = MAMORI_TRY(database_.begin());
  const auto user = MAMORI_TRY(read_user(*transaction, "id", id));
  MAMORI_TRY(transaction->execute(
      "UPDATE users SET totp_sealed = NULL, totp_pending = NULL, totp_step = 0 WHERE id = ?", {id}));
  tell(transaction, actor, user, "totp_removed");
  return transaction.commit();
}

json::object to_json(const User& user) {
  json::object roles;
  for (const auto& [facility, held] : user.roles) {
    json::array names;
    for (const auto role : held) names.emplace_back(name_of(role));
    roles[facility] = std::move(names);
  }
  json::object out = {{"id", user.id},           {"login", user.login},   {"name", user.name},
                      {"enabled", user.enabled}, {"totp", user.has_totp}, {"roles", std::move(roles)}};
  if (user.locked_until) out["locked_until"] = iso_instant(*user.locked_until);
  if (user.last_login_at) out["last_login_at"] = iso_instant(*user.last_login_at);
  return out;
}

json::object to_json(const Session& session) {
  return {{"id", session.id},
          {"started_at", iso_instant(session.started_at)},
          {"last_seen_at", iso_instant(session.last_seen_at)},
          {"address", session.address},
          {"agent", session.agent}};
}

}  // namespace mamori::identity
