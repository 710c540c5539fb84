// Users, their roles per facility, sessions, second factor, lock-out.
#pragma once

#include <map>
#include <set>

#include "base/crypto.h"
#include "base/json.h"
#include "identity/attempts.h"
#include "identity/password.h"
#include "identity/permission.h"
#include "store/database.h"
#include "store/scope.h"

namespace mamori::identity {

constexpr std::chrono::minutes kIdleLimit{60};
constexpr std::chrono::hours kSessionLimit{12};

struct User {
  std::string id;
  std::string login;
  std::string name;
  bool enabled = true;
  bool has_totp = false;
  std::optional<Instant> locked_until;  // from some address, or from all that are strange to the account
  std::optional<Instant> last_login_at;
  std::map<std::string, std::set<Role>> roles;  // by node of the tree: store/scope.h

  // Where one of the user's roles allows it.
  store::Scope scope_with(Permission permission) const;
  // The same, of roles with these names alone.
  store::Scope scope_with(Permission permission, const std::vector<std::string>& roles) const;
  store::Scope scope_of_all() const;  // where the user has any role
};

struct Session {
  std::string id;  // public name, for listing and revoking; not the token
  std::string user;
  Instant started_at, last_seen_at;
  std::string address;
  std::string agent;
};

struct NewUser {
  std::string login;
  std::string name;
  Secret password;
  std::map<std::string, std::set<Role>> roles;
};

struct SignedIn {
  Secret token;  // for the cookie: 256 random bits; only its hash is stored
  Session session;
};

// Threads: all calls may come from several. `database` and `sealer` outlive it.
class Users {
 public:
  static Result<std::unique_ptr<Users>> open(store::Database& database, const Sealer& sealer);

  Result<bool> any() const;
  // Errors: identity.login.taken, identity.login.bad, identity.password.weak.
  Result<User> create(const store::Actor& actor, const NewUser& user, const PasswordContext& context);
  // The same within the caller's transaction; everything that may be refused is looked at before anything is
  // written.
  struct Checked {
    NewUser user;
    std::string password_hash;
  };
  static Result<Checked> check(const NewUser& user, const PasswordContext& context);
  Result<User> create_in(store::Transaction& transaction, const store::Actor& actor, const Checked& checked);
  // At a node of the tree. Error: identity.node.bad.
  Result<User> set_roles(const store::Actor& actor, const std::string& id, const std::string& node,
                         const std::set<Role>& roles);
  Result<User> set_roles_in(store::Transaction& transaction, const store::Actor& actor, const std::string& id,
                            const std::string& node, const std::set<Role>& roles);
  // Nodes at which some user who may sign in has a role.
  Result<std::set<std::string>> facilities_in_use() const;
  Status set_enabled(const store::Actor& actor, const std::string& id,
                     bool enabled);  // disabling ends all sessions
  Status set_password(const store::Actor& actor, const std::string& id, const Secret& password,
                      const PasswordContext& context);  // ends all sessions
  // That it is the user who sits there: by the password and, where one is set and `with_code`, by a code of
  // the second factor. What is wrong counts as at sign-in. Error: identity.user.invalid with
  // identity.password.current at `current`, identity.totp.wrong at `code`.
  Status prove(const store::Actor& actor, const std::string& id, const Secret& password,
               const std::string& code, bool with_code, const std::string& address);
  Status unlock(const store::Actor& actor, const std::string& id);
  Result<User> get(const std::string& id) const;
  Result<User> find_login(const std::string& login) const;
  // Those who were given a role at this node.
  Result<std::vector<User>> list(const std::string& node) const;
  // What a user's roles come to in each of these facilities.
  Result<std::map<std::string, std::set<Role>>> roles_in(const User& user,
                                                         const std::vector<std::string>& facilities) const;

  // Wrong name, wrong password, disabled and locked look the same from outside (identity.login.failed): while
  // it is locked nobody learns whether a password is right. With a second factor: identity.totp.needed until
  // `totp` is right. A code is accepted once. What fails stands in the journal of every facility in which the
  // user has a role, what is nobody's in the installation's.
  Result<SignedIn> sign_in(const std::string& login, const Secret& password, const std::string& totp,
                           const std::string& address, const std::string& agent);
  // Error: identity.session.none; extends the idle limit.
  Result<std::pair<User, Session>> session(const Secret& token);
  Status sign_out(const store::Actor& actor, const Session& session);
  Result<std::vector<Session>> sessions(const std::string& user) const;
  // Error: identity.session.none where the session is not of that user.
  Status revoke(const store::Actor& actor, const std::string& user, const std::string& session_id);

  // A new secret (base32) that counts only after confirm_totp() with a code made from it (RFC 6238, SHA-1, 6
  // digits, 30 s).
  Result<std::string> begin_totp(const std::string& id);
  Status confirm_totp(const store::Actor& actor, const std::string& id, const std::string& code);
  Status remove_totp(const store::Actor& actor, const std::string& id);

 private:
  Users(store::Database& database, const Sealer& sealer) : database_(database), sealer_(sealer) {}
  Status note_seen(const std::string& session, Instant now);
  Result<User> read_user(store::Connection& connection, const std::string& column,
                         const std::string& value) const;
  // A wrong password or code, in a transaction of its own. `said`: what the journal tells of it.
  Status count_failure(const store::Actor& actor, const Attempts& attempts, const std::string& id,
                       const std::string& said);
  Result<bool> accept_code(store::Transaction& transaction, const std::string& id, const std::string& sealed,
                           const std::string& code, std::int64_t last_step);

  store::Database& database_;
  const Sealer& sealer_;
};

json::object to_json(const User& user);
json::object to_json(const Session& session);

}  // namespace mamori::identity
