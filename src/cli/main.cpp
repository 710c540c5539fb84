#include "cli/command.h"

int main(int argc, char** argv) { return mamori::cli::run_mamori(argc, argv); }
