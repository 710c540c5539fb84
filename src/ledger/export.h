// A register as a table for CSV, XLSX and print. What is exported can be imported again.
#pragma once

#include "ledger/ledger.h"

namespace mamori::ledger {

enum class ExportColumns { all, printed };

struct ExportTable {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;
};
Result<ExportTable> export_table(const Ledger& ledger, const Register& reg, const ListQuery& query,
                                 ExportColumns columns, std::string_view language);

}  // namespace mamori::ledger
