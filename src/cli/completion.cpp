#include <cstdio>

#include "cli/command.h"

namespace mamori::cli {

// Made from the commands themselves, so that it cannot lag behind.
void add_completion(CLI::App& app, Common&, Runner& run) {
  auto* command =
      app.add_subcommand("completion", "print a completion script for bash (source <(mamori completion))");
  command->callback([&app, &run] {
    run = [&app]() -> int {
      std::string names, cases;
      for (const auto* sub : app.get_subcommands({})) {
        names += sub->get_name() + " ";
        std::string words;
        for (const auto* option : sub->get_options())
          for (const auto& name : option->get_lnames()) words += "--" + name + " ";
        for (const auto* inner : sub->get_subcommands({})) words += inner->get_name() + " ";
        cases += "    " + sub->get_name() + ") words=\"" + words + "\" ;;\n";
      }
      std::string common;
      for (const auto* option : app.get_options())
        for (const auto& name : option->get_lnames()) common += "--" + name + " ";
      std::printf(
          "_mamori() {\n  local words=\"%s%s\"\n  case \"${COMP_WORDS[1]}\" in\n%s  esac\n  "
          "COMPREPLY=($(compgen -W \"$words %s\" -- \"${COMP_WORDS[COMP_CWORD]}\") $(compgen -f -- "
          "\"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -F _mamori mamori\n",
          names.c_str(), common.c_str(), cases.c_str(), common.c_str());
      return 0;
    };
  });
}

}  // namespace mamori::cli
