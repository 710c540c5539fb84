// PDF on A4 by Pango and Cairo: title, paragraphs, tables that break over pages with their headings repeated.
// Text stays selectable. Knows no hospital.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mamori::document {

struct PdfColumn {
  std::string heading;
  double weight = 1;  // share of the width
};

struct PdfTable {
  std::vector<PdfColumn> columns;
  std::vector<std::vector<std::string>> rows;
};

struct PdfSection {
  std::string heading;
  std::vector<std::string> paragraphs;
  std::string qr = {};  // drawn as a QR code behind the paragraphs, 4 cm wide; "" = none
  PdfTable table;       // without columns: none
};

enum class Orientation { portrait, landscape };

struct PdfDocument {
  std::string facility;
  std::string title;
  std::vector<std::string> subtitle;  // lines under the title
  std::vector<PdfSection> sections;
  std::string footer;  // left of the page number: when and by whom printed
  std::string check;   // short hash shown beside a QR code of itself; "" = none
  Orientation orientation = Orientation::portrait;
};

// Error: document.pdf.failed (fact: reason).
Result<std::string> draw_pdf(const PdfDocument& document);

}  // namespace mamori::document
