// What stands in each document: asks the domain, hands view models to document/ and sheet/.
#pragma once

#include "assess/assessor.h"
#include "base/crypto.h"
#include "base/file.h"
#include "base/texts.h"
#include "ledger/ledger.h"
#include "os/file.h"

namespace mamori::report {

enum class Format { pdf, xlsx };

struct Context {
  ledger::Ledger& ledger;
  assess::Assessor& assessor;
  const Texts& texts;
};

struct Request {
  std::string facility;
  store::Scope scope;  // of whoever wants it, in that facility
  std::string language = "ja";
  std::string printed_by;
  Format format = Format::pdf;
};

// What stands at the head and at the foot of every printed page.
Result<std::string> facility_name(const Context& context, const Request& request);
std::string printed_line(const Context& context, const Request& request);

// A checklist in the official column order, with the measured answer beside the declared one. `vendor` for
// vendor forms.
Result<std::string> checklist(const Context& context, const Request& request, const std::string& framework,
                              const std::string& vendor = "");
// A register as it is printed: any as a list (of devices and their use, the handbook's forms of articles 5
// and 6), as a matrix those that declare one (ACC-02). Error: report.printed.none.
Result<std::string> register_document(const Context& context, const Request& request,
                                      const ledger::Register& reg, ledger::Printed::As as);

// The inspection package: checklists, what registers have printed for it as PDF and XLSX, the answers as
// JSON, the raw evidence of the newest runs, and manifest.json (name, size and SHA-256 of each file) with its
// Ed25519 signature in manifest.sig.
struct PackageRequest {
  Request request;
  std::vector<std::string>
      frameworks;  // empty: those that apply to the facility, and the vendor forms that have been answered
  const SigningKey* key = nullptr;
  const os::Blobs* blobs = nullptr;
  std::function<void(int done, int all)> progress = [](int, int) {};
};
Result<std::string> inspection_package(const Context& context, const PackageRequest& request);

struct Verified {
  std::string facility;
  std::string made_at;
  std::string fingerprint;  // of the signing key: first 16 hex digits of its SHA-256
  std::size_t files = 0;
};
// Needs nothing but the package. `expected_key` (hex) pins the signer. Errors: report.verify.no-manifest,
// report.verify.signature, report.verify.key, report.verify.altered, report.verify.missing,
// report.verify.added (fact: file, the first one).
Result<Verified> verify_package(std::string_view bytes, const std::string& expected_key = "");

}  // namespace mamori::report
