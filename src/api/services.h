// What the handlers work with. Built by server/wiring.cpp; everything outlives the handlers.
#pragma once

#include "api/trace.h"
#include "assess/assessor.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/texts.h"
#include "http/message.h"
#include "identity/users.h"
#include "jobs/jobs.h"
#include "ledger/ledger.h"
#include "ledger/pending_import.h"
#include "logs/logs.h"
#include "os/file.h"
#include "readers/sources.h"
#include "report/report.h"

namespace mamori::api {

struct Services {
  const Clock& clock;
  const Texts& texts;
  store::Database& database;
  identity::Users& users;
  ledger::Ledger& ledger;
  const catalog::Catalog& catalog;
  assess::Assessor& assessor;
  jobs::Jobs& jobs;
  readers::Sources& sources;
  logs::Logs& logs;
  const os::Blobs& blobs;
  const SigningKey& signing_key;
  std::string version;
  std::function<json::object()> health = [] {
    return json::object{{"status", "ok"}};
  };  // what the server knows of itself
  Trace trace = {};
  Mutex mutex = {};
  // Where syslog is listened for: {udp, tcp, tls} → port.
  json::object receivers GUARDED_BY(mutex) = {};
  // Of the first-use wizard; "" when users exist.
  std::string setup_secret GUARDED_BY(mutex) = {};
};

// A request after authentication: who asks, and where this route's permission holds.
struct Call {
  const http::Request& request;
  std::map<std::string, std::string> path;  // {register} → asset
  const identity::User* user = nullptr;
  const identity::Session* session = nullptr;
  identity::Permission permission = identity::Permission::none_needed;
  store::Scope scope = {};     // where the permission holds; never empty behind a permission
  bool reaches_asked = false;  // whether ?facility= lies in it

  std::string language() const;
  store::Actor actor() const;
  // The facility meant: ?facility=…, or the only one. Error: api.facility.needed, api.facility.forbidden.
  Result<std::string> facility() const;
  // What of the scope lies in it.
  Result<store::Scope> here() const;
  // JSON object. Errors: base.json.bad, api.text.refused with the field that holds U+0000, which no database
  // keeps.
  Result<json::object> body() const;
  const std::string& at(const std::string& name) const { return path.at(name); }
};

using Handler = Result<http::Reply> (*)(const Call&, Services&);

}  // namespace mamori::api
