#include <cstdio>

#include "api/first_use.h"
#include "base/crypto.h"
#include "cli/command.h"

namespace mamori::cli {

void add_init(CLI::App& app, Common& common, Runner& run) {
  auto* command =
      app.add_subcommand("init", "make a facility and its first user (the web wizard does the same)");
  struct Given {
    std::string name, kind = "hospital", login = "manager", user_name = "企画管理者", password;
    long long beds = 0;
    bool no_vendor = false;
    std::string grant;
  };
  auto given = std::make_shared<Given>();
  command->add_option("--name", given->name, "facility name")->required();
  command->add_option(
      "--kind", given->kind,
      "hospital, clinic_with_beds, clinic, dental, birth_centre, pharmacy, regional_network, other");
  command->add_option("--beds", given->beds, "licensed beds");
  command->add_flag("--no-vendor", given->no_vendor, "no contract with any vendor");
  command->add_option("--login", given->login, "first user's login");
  command->add_option("--user-name", given->user_name, "first user's name");
  command
      ->add_option("--password-file", given->password,
                   "file with the first user's password; otherwise one is made and printed")
      ->check(CLI::ExistingFile);
  command->add_option(
      "--grant", given->grant,
      "another facility in the same database: this existing login becomes its planning manager");
  command->callback([&common, &run, given] {
    run = [&common, given]() -> int {
      auto session = Session::open(common);
      if (!session) return fail(session.error(), common);
      if (!given->grant.empty()) {
        const auto added = api::add_facility(
            session->services(), session->actor(),
            {given->name, given->kind, given->beds, !given->no_vendor, given->grant, "", Secret()});
        if (!added) return fail(added.error(), common);
        std::printf("facility: %s\n", added->c_str());
        return 0;
      }
      const auto any = session->services().users.any();
      if (!any) return fail(any.error(), common);
      if (*any) return fail({ErrorKind::conflict, "api.setup.done"}, common);
      Secret password(random_token(20) + "-Aa1");
      if (!given->password.empty()) {
        auto text = read_file(given->password, 1024);
        if (!text) return fail(text.error(), common);
        password = Secret(std::string(trim(*text)));
      }
      const auto done = api::first_use(session->services(),
                                       {given->name, given->kind, given->beds, !given->no_vendor,
                                        given->login, given->user_name, password},
                                       "command line");
      if (!done) return fail(done.error(), common);
      std::printf("facility: %s\nlogin: %s\n", done->facility.c_str(), given->login.c_str());
      if (given->password.empty()) std::printf("password: %s\n", password.reveal().c_str());
      return 0;
    };
  });
}

}  // namespace mamori::cli
