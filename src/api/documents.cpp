#include <charconv>

#include "api/access.h"
#include "api/routes.h"
#include "report/log_export.h"

namespace mamori::api {
namespace {

using enum http::Method;
using identity::Permission;

constexpr const char* kPdf = "application/pdf";
constexpr const char* kXlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

Result<report::Request> request_of(const Call& call) {
  report::Request request;
  request.facility = MAMORI_TRY(call.facility());
  request.scope = MAMORI_TRY(call.here());
  request.language = call.language();
  request.printed_by = call.user->name;
  request.format =
      call.request.parameter("format", "pdf") == "xlsx" ? report::Format::xlsx : report::Format::pdf;
  return request;
}

http::Reply document_reply(std::string bytes, report::Format format, const std::string& name) {
  auto reply = http::Reply::file(std::move(bytes), format == report::Format::pdf ? kPdf : kXlsx,
                                 name + (format == report::Format::pdf ? ".pdf" : ".xlsx"));
  if (format == report::Format::pdf)
    reply.headers.back().second.replace(0, std::string_view("attachment").size(), "inline");
  return reply;
}

Result<http::Reply> get_checklist_document(const Call& call, Services& services) {
  const auto request = MAMORI_TRY(request_of(call));
  return document_reply(
      MAMORI_TRY(report::checklist({services.ledger, services.assessor, services.texts}, request,
                                   call.at("framework"), call.request.parameter("vendor"))),
      request.format, call.at("framework"));
}

Result<http::Reply> get_register_document(const Call& call, Services& services) {
  const auto request = MAMORI_TRY(request_of(call));
  const auto to = MAMORI_TRY(access(call, services, Use::read));
  MAMORI_TRY(within(services, to.scope, request.facility));
  const auto as =
      call.request.parameter("as") == "matrix" ? ledger::Printed::As::matrix : ledger::Printed::As::list;
  return document_reply(MAMORI_TRY(report::register_document(
                            {services.ledger, services.assessor, services.texts}, request, *to.reg, as)),
                        request.format, to.reg->label.in(request.language));
}

Result<http::Reply> get_log_heads_document(const Call& call, Services& services) {
  auto request = MAMORI_TRY(request_of(call));
  request.format = report::Format::pdf;
  report::DayOfLogs day;
  for (auto& [name, head, stamp] : MAMORI_TRY(services.logs.keeping().newest_heads(request.facility)))
    day.heads.push_back({name.name, head, stamp});
  for (const auto& state : MAMORI_TRY(services.logs.keeping().state(request.facility)))
    for (const auto& damage : state.damage) day.damage.emplace_back(state.name.name, damage);
  return document_reply(MAMORI_TRY(report::log_heads({services.ledger, services.assessor, services.texts},
                                                     request, day, services.signing_key)),
                        request.format, "log-heads_" + iso_date(date_of(services.clock.now())));
}

Result<http::Reply> get_package(const Call& call, Services& services) {
  report::PackageRequest package;
  package.request = MAMORI_TRY(request_of(call));
  package.key = &services.signing_key;
  package.blobs = &services.blobs;
  return http::Reply::file(
      MAMORI_TRY(report::inspection_package({services.ledger, services.assessor, services.texts}, package)),
      "application/zip", "inspection-package_" + iso_date(date_of(services.clock.now())) + ".zip");
}

}  // namespace

std::vector<Route> document_routes() {
  using namespace shape;
  return {
      Route{get, "/api/v1/documents/checklists/{framework}", Permission::documents_make,
            get_checklist_document, "A checklist as PDF or XLSX"}
          .asks({{"format", "pdf or xlsx"}, {"vendor", "of a vendor's form: whose"}})
          .tells("printed")
          .gives_file(kPdf),
      Route{get, "/api/v1/documents/registers/{register}", Permission::documents_make, get_register_document,
            "A register as PDF or XLSX"}
          .asks({{"format", "pdf or xlsx"}, {"as", "list, or matrix where the register declares one"}})
          .tells("printed")
          .gives_file(kPdf),
      Route{get, "/api/v1/documents/log-heads", Permission::documents_make, get_log_heads_document,
            "The newest signed heads of the logs as PDF with QR codes"}
          .asks({{"format", "pdf"}})
          .tells("printed")
          .gives_file(kPdf),
      Route{get, "/api/v1/documents/inspection-package", Permission::documents_make, get_package,
            "The signed inspection package"}
          .asks({{"format", "zip"}})
          .tells("exported")
          .gives_file("application/zip"),
  };
}

}  // namespace mamori::api
