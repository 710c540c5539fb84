#include <cstdio>

#include "api/passwords.h"
#include "cli/command.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string action, login, name, password_file, at, format = "text";
  std::vector<std::string> roles;
};

Result<Secret> password_of(const Given& given, bool& made) {
  made = given.password_file.empty();
  if (made) return Secret(random_token(20) + "-Aa1");
  return Secret(std::string(trim(MAMORI_TRY(read_file(given.password_file, 1024)))));
}

Status manage(Session& session, const Common& common, const Given& given) {
  auto& users = session.services().users;
  const auto facility = MAMORI_TRY(session.facility(common));
  const auto& node = given.at.empty() ? facility : given.at;
  const auto actor = session.actor();
  if (given.action == "list") {
    json::array items;
    for (const auto& user : MAMORI_TRY(users.list(node))) {
      std::string roles;
      for (const auto role : user.roles.at(node))
        roles += (roles.empty() ? "" : ",") + std::string(identity::name_of(role));
      if (given.format == "json")
        items.push_back(identity::to_json(user));
      else
        std::printf("%-20s %-20s %s%s%s\n", user.login.c_str(), user.name.c_str(), roles.c_str(),
                    user.enabled ? "" : " (disabled)", user.has_totp ? " (totp)" : "");
    }
    if (given.format == "json") std::printf("%s", pretty(items).c_str());
    return {};
  }
  std::set<identity::Role> roles;
  for (const auto& name : given.roles) {
    const auto role = identity::parse_role(name);
    if (!role) return Error{ErrorKind::invalid, "identity.role.unknown", {{"role", name}}};
    roles.insert(*role);
  }
  bool made = false;
  if (given.action == "add") {
    const auto password = MAMORI_TRY(password_of(given, made));
    identity::User fresh;
    fresh.roles = {{node, roles}};
    MAMORI_TRY(users.create(
        actor, {given.login, given.name.empty() ? given.login : given.name, password, fresh.roles},
        MAMORI_TRY(api::password_context(fresh, session.services()))));
    if (made) std::printf("password: %s\n", password.reveal().c_str());
    return {};
  }
  const auto user = MAMORI_TRY(users.find_login(given.login));
  if (given.action == "password") {
    const auto password = MAMORI_TRY(password_of(given, made));
    MAMORI_TRY(users.set_password(actor, user.id, password,
                                  MAMORI_TRY(api::password_context(user, session.services()))));
    if (made) std::printf("password: %s\n", password.reveal().c_str());
    return {};
  }
  if (given.action == "roles") {
    MAMORI_TRY(users.set_roles(actor, user.id, node, roles));
    return {};
  }
  if (given.action == "disable" || given.action == "enable")
    return users.set_enabled(actor, user.id, given.action == "enable");
  return users.unlock(actor, user.id);
}

}  // namespace

void add_user(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("user", "users: list, add, password, roles, disable, enable, unlock");
  command->require_subcommand(1);
  auto given = std::make_shared<Given>();
  for (const char* action : {"list", "add", "password", "roles", "disable", "enable", "unlock"}) {
    auto* sub = command->add_subcommand(action, "");
    const std::string name = action;
    if (name == "list")
      sub->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
    else
      sub->add_option("login", given->login)->required();
    if (name == "add") sub->add_option("--name", given->name, "the person's name");
    if (name == "add" || name == "roles")
      sub->add_option("--role", given->roles,
                      "director, safety_officer, planning_manager, operator, staff, vendor, inspector")
          ->required();
    if (name == "add" || name == "roles" || name == "list")
      sub->add_option(
          "--at", given->at,
          "of many facilities: * for all, prefecture:13, affiliation:NAME (default: the facility)");
    if (name == "add" || name == "password")
      sub->add_option("--password-file", given->password_file,
                      "file with the password; otherwise one is made and printed")
          ->check(CLI::ExistingFile);
    sub->callback([&common, &run, given, name] {
      given->action = name;
      run = [&common, given]() -> int {
        auto session = Session::open(common);
        if (!session) return fail(session.error(), common);
        const auto status = manage(*session, common, *given);
        return status ? 0 : fail(status.error(), common);
      };
    });
  }
}

}  // namespace mamori::cli
