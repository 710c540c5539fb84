#include <cstdio>

#include "assess/assessor.h"
#include "cli/command.h"

namespace mamori::cli {
namespace {

struct Given {
  std::string framework, vendor, format = "text";
  bool strict = false;
};

int assess_now(const Common& common, const Given& given) {
  auto session = Session::open(common);
  if (!session) return fail(session.error(), common);
  auto& services = session->services();
  if (given.framework.empty()) {
    for (const auto& framework : services.catalog.frameworks())
      std::printf("%-24s %s\n", framework.id.c_str(), framework.title.in(common.language).c_str());
    return 0;
  }
  const auto facility = session->facility(common);
  if (!facility) return fail(facility.error(), common);
  const auto vendor = session->vendor(*facility, given.vendor);
  if (!vendor) return fail(vendor.error(), common);
  const auto result = services.assessor.frameworks().state(*facility, given.framework, *vendor);
  if (!result) return fail(result.error(), common);
  bool gaps = false;
  json::array items;
  for (const auto& item : result->items) {
    gaps = gaps || item.verdict == assess::Verdict::gap || item.contradiction != assess::Contradiction::none;
    if (given.format == "json") {
      items.push_back(assess::to_json(item));
      continue;
    }
    std::printf("%s %-12s %s\n", std::string(assess::sign_of(item.verdict)).c_str(), item.item->id.c_str(),
                item.item->text.in(common.language).c_str());
    if (item.contradiction != assess::Contradiction::none)
      std::printf("   ⚠ %s\n", services.texts
                                   .get("contradiction." + std::string(assess::name_of(item.contradiction)),
                                        common.language)
                                   .c_str());
    if (const auto& step = item.next_step.in(common.language); !step.empty())
      std::printf("   → %s\n", step.c_str());
  }
  if (given.format == "json")
    std::printf("%s", pretty(json::object{{"framework", given.framework},
                                          {"at", iso_instant(result->at)},
                                          {"items", std::move(items)}})
                          .c_str());
  return given.strict && gaps ? 1 : 0;
}

}  // namespace

void add_assess(CLI::App& app, Common& common, Runner& run) {
  auto* command = app.add_subcommand("assess", "answer a framework from the ledger and the observations");
  auto given = std::make_shared<Given>();
  command->add_option("--framework", given->framework, "id; without it the frameworks are listed");
  command->add_option("--vendor", given->vendor, "vendor number (V-001), for vendor forms");
  command->add_option("--format", given->format, "text or json")->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--strict", given->strict, "exit code 1 where there is a gap or a contradiction");
  command->callback(
      [&common, &run, given] { run = [&common, given] { return assess_now(common, *given); }; });
}

}  // namespace mamori::cli
