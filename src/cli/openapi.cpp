#include <cstdio>

#include "api/routes.h"
#include "cli/command.h"
#include "server/wiring.h"

namespace mamori::cli {

// Needs no installation: the pages' types are made of it before there is one.
void add_openapi(CLI::App& app, Common&, Runner& run) {
  auto* command = app.add_subcommand("openapi", "print the API as an OpenAPI 3.1 document");
  command->callback([&run] {
    run = []() -> int {
      api::routes();  // which name their shapes
      std::printf("%s\n", json::serialize(api::openapi(server::kVersion)).c_str());
      return 0;
    };
  });
}

}  // namespace mamori::cli
