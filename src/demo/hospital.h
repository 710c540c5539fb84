// The demonstration hospital, generated from a seed: 300 beds, about 1,200 devices, 650 staff, 25 vendors,
// with the records that data/demo/records/ writes down,
// with readings of a directory, a network scan, backups and two days of logs, and the planted defects that
// data/demo/defects.yaml lists. Everything else is in order.
#pragma once

#include <filesystem>

#include "assess/assessor.h"
#include "identity/users.h"
#include "ledger/ledger.h"
#include "logs/logs.h"
#include "readers/sources.h"

namespace mamori::demo {

struct Parts {
  ledger::Ledger& ledger;
  readers::Sources& sources;
  assess::Assessor& assessor;
  identity::Users& users;
  logs::Logs& logs;
  std::filesystem::path records;  // data/demo/records
};

struct SignIn {
  std::string login;
  std::string name;
  std::string role;
  Secret password;  // generated, different each time
};

struct Hospital {
  std::string facility;
  std::vector<SignIn> sign_ins;
};

// Dates are relative to the clock's today, so that the demonstration does not age. Same seed and day, same
// ledger.
Result<Hospital> make_hospital(const Parts& parts, std::uint64_t seed);

}  // namespace mamori::demo
