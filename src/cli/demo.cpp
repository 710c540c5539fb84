#include "demo/hospital.h"

#include <cstdio>

#include "cli/command.h"
#include "os/file.h"

namespace mamori::cli {
namespace {

constexpr const char* kSignInFile = "demo-sign-in.txt";

int make_demo(const Common& common, std::uint64_t seed, bool keep) {
  const auto sign_in_file = common.data / kSignInFile;
  if (keep && std::filesystem::exists(sign_in_file)) {
    const auto text = read_file(sign_in_file, 65536);
    if (!text) return fail(text.error(), common);
    std::printf("%s", text->c_str());
    return 0;
  }
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  const auto any = services.users.any();
  if (!any) return fail(any.error(), common);
  if (*any)
    return fail({ErrorKind::conflict, "cli.demo.exists", {{"directory", common.data.string()}}}, common);
  const auto hospital =
      demo::make_hospital({services.ledger, services.sources, services.assessor, services.users,
                           services.logs, session->installation->home().data / "demo/records"},
                          seed);
  if (!hospital) return fail(hospital.error(), common);
  std::string text = services.texts.get("cli.demo.done", common.language) + "\n" +
                     services.texts.get("cli.demo.users", common.language) + "\n";
  for (const auto& user : hospital->sign_ins)
    text += fmt::format("  {:<10} {}  {}\n", user.login, user.password.reveal(), user.role);
  const auto written = os::write_file(sign_in_file, text, os::Visibility::owner_only);
  if (!written) return fail(written.error(), common);
  std::printf("%s", text.c_str());
  return 0;
}

}  // namespace

void add_demo(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("demo", "fill an empty data directory with the demonstration hospital");
  auto seed = std::make_shared<std::uint64_t>(20260401);
  auto keep = std::make_shared<bool>(false);
  command->add_option("--seed", *seed, "same seed, same hospital");
  command->add_flag("--keep", *keep, "where it is there already, only print how to sign in");
  command->callback([&common, &run, seed, keep] {
    run = [&common, seed, keep] { return make_demo(common, *seed, *keep); };
  });
}

}  // namespace mamori::cli
