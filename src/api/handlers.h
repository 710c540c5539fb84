// The handlers, one file per resource. A handler parses, calls one domain function and shapes the answer; no
// rule, no SQL.
#pragma once

#include "api/services.h"

namespace mamori::api {

// system.cpp
Result<http::Reply> get_health(const Call&, Services&);
Result<http::Reply> get_metrics(const Call&, Services&);
Result<http::Reply> get_openapi(const Call&, Services&);
Result<http::Reply> get_state(const Call&, Services&);
Result<http::Reply> post_setup(const Call&, Services&);
Result<http::Reply> search(const Call&, Services&);
// account.cpp
Result<http::Reply> sign_in(const Call&, Services&);
Result<http::Reply> sign_out(const Call&, Services&);
Result<http::Reply> get_me(const Call&, Services&);
Result<http::Reply> list_sessions(const Call&, Services&);
Result<http::Reply> revoke_session(const Call&, Services&);
Result<http::Reply> change_password(const Call&, Services&);
Result<http::Reply> check_password_strength(const Call&, Services&);
Result<http::Reply> begin_totp(const Call&, Services&);
Result<http::Reply> confirm_totp(const Call&, Services&);
Result<http::Reply> remove_totp(const Call&, Services&);
// users.cpp
Result<http::Reply> list_users(const Call&, Services&);
Result<http::Reply> create_user(const Call&, Services&);
Result<http::Reply> change_user(const Call&, Services&);
// registers.cpp
Result<http::Reply> list_registers(const Call&, Services&);
Result<http::Reply> list_records(const Call&, Services&);
Result<http::Reply> create_record(const Call&, Services&);
Result<http::Reply> get_record(const Call&, Services&);
Result<http::Reply> change_record(const Call&, Services&);
Result<http::Reply> retire_record(const Call&, Services&);
Result<http::Reply> bring_back_record(const Call&, Services&);
Result<http::Reply> revert_record(const Call&, Services&);
Result<http::Reply> record_history(const Call&, Services&);
Result<http::Reply> export_records(const Call&, Services&);
Result<http::Reply> list_views(const Call&, Services&);
Result<http::Reply> save_view(const Call&, Services&);
Result<http::Reply> delete_view(const Call&, Services&);
Result<http::Reply> put_blob(const Call&, Services&);
Result<http::Reply> get_attachment(const Call&, Services&);
// imports.cpp
Result<http::Reply> create_import(const Call&, Services&);
Result<http::Reply> plan_import(const Call&, Services&);
Result<http::Reply> apply_import(const Call&, Services&);
Result<http::Reply> undo_import(const Call&, Services&);
Result<http::Reply> list_imports(const Call&, Services&);
Result<http::Reply> rejected_lines(const Call&, Services&);
// frameworks.cpp
Result<http::Reply> list_frameworks(const Call&, Services&);
Result<http::Reply> get_framework(const Call&, Services&);
Result<http::Reply> declare_item(const Call&, Services&);
Result<http::Reply> control_history(const Call&, Services&);
Result<http::Reply> get_today(const Call&, Services&);
Result<http::Reply> put_off_today(const Call&, Services&);
// jobs.cpp
Result<http::Reply> list_jobs(const Call&, Services&);
Result<http::Reply> ask_job(const Call&, Services&);
Result<http::Reply> end_job(const Call&, Services&);
// sources.cpp
Result<http::Reply> list_sources(const Call&, Services&);
Result<http::Reply> create_source(const Call&, Services&);
Result<http::Reply> change_source(const Call&, Services&);
Result<http::Reply> retire_source(const Call&, Services&);
Result<http::Reply> run_source(const Call&, Services&);
Result<http::Reply> read_source_file(const Call&, Services&);
Result<http::Reply> source_runs(const Call&, Services&);
Result<http::Reply> list_candidates(const Call&, Services&);
Result<http::Reply> decide_candidate(const Call&, Services&);
// logs.cpp
Result<http::Reply> search_logs(const Call&, Services&);
Result<http::Reply> get_log_event(const Call&, Services&);
Result<http::Reply> list_log_streams(const Call&, Services&);
Result<http::Reply> list_log_heads(const Call&, Services&);
Result<http::Reply> get_log_proof(const Call&, Services&);
Result<http::Reply> verify_log_stream(const Call&, Services&);
Result<http::Reply> publish_log_head(const Call&, Services&);
Result<http::Reply> list_log_sources(const Call&, Services&);
Result<http::Reply> make_log_token(const Call&, Services&);
Result<http::Reply> export_logs(const Call&, Services&);
// ingest.cpp
// Whose token the request shows. Errors: collect.log.token, collect.log.refused, store.*.
Result<logs::LogSource> sender_of(const http::Request& request, Services& services);
Result<http::Reply> ingest_fhir(const Call&, Services&);
Result<http::Reply> ingest_bulk(const Call&, Services&);
Result<http::Reply> ingest_bulk_info(const Call&, Services&);
Result<http::Reply> ingest_otlp(const Call&, Services&);
Result<http::Reply> ingest_lines(const Call&, Services&);
Result<http::Reply> import_logs(const Call&, Services&);
// documents.cpp
Result<http::Reply> get_checklist_document(const Call&, Services&);
Result<http::Reply> get_register_document(const Call&, Services&);
Result<http::Reply> get_matrix_document(const Call&, Services&);
Result<http::Reply> get_log_heads_document(const Call&, Services&);
Result<http::Reply> get_package(const Call&, Services&);
Result<http::Reply> list_journal(const Call&, Services&);

// The first facility and its first user; used by the wizard and by `mamori init`.
struct FirstUse {
  std::string facility_name, facility_kind;
  std::int64_t beds = 0;
  bool has_vendor = true;
  std::string login, user_name;
  Secret password;
};
struct FirstUseDone {
  std::string facility, user;
};
// A further facility (a group with several lives in one database); the existing user `given.login` becomes
// its planning manager.
Result<std::string> add_facility(Services& services, const store::Actor& actor, const FirstUse& given);
Result<FirstUseDone> first_use(Services& services, const FirstUse& given, const std::string& origin);

}  // namespace mamori::api
