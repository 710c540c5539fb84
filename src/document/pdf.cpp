#include "document/pdf.h"

#include <cairo-pdf.h>
#include <fmt/format.h>
#include <pango/pangocairo.h>
#include <qrencode.h>

#include <memory>
#include <numeric>

#include "base/mutex.h"
#include "base/text.h"

namespace mamori::document {
namespace {

// Pango ends at a NUL and passes over what is no UTF-8; here nothing vanishes.
std::string drawable(std::string text) {
  std::replace(text.begin(), text.end(), '\t', ' ');
  std::string out;
  for (const auto& line : split(text, '\n')) {
    out += printable(line, line.size());
    out += '\n';
  }
  out.pop_back();
  return out;
}

// In points; A4 is 595.28 × 841.89.
constexpr double kShort = 595.28, kLong = 841.89, kMargin = 42, kFooter = 26, kPadding = 3.5;
constexpr double kQr = 113;  // 4 cm: what a telephone reads from a desk
constexpr const char* kFont = "Noto Sans CJK JP";

struct Free {
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* cairo) const { cairo_destroy(cairo); }
  void operator()(PangoLayout* layout) const { g_object_unref(layout); }
  void operator()(PangoFontDescription* font) const { pango_font_description_free(font); }
  void operator()(QRcode* code) const { QRcode_free(code); }
};
using Layout = std::unique_ptr<PangoLayout, Free>;

cairo_status_t append(void* target, const unsigned char* bytes, unsigned count) {
  static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(bytes), count);
  return CAIRO_STATUS_SUCCESS;
}

class Painter {
 public:
  Painter(const PdfDocument& document, std::string& out, int pages)
      : document_(document),
        width_(document.orientation == Orientation::portrait ? kShort : kLong),
        height_(document.orientation == Orientation::portrait ? kLong : kShort),
        surface_(cairo_pdf_surface_create_for_stream(append, &out, width_, height_)),
        cairo_(cairo_create(surface_.get())),
        pages_(pages) {
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_TITLE, document.title.c_str());
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_AUTHOR, document.facility.c_str());
    cairo_set_line_width(cairo_.get(), 0.5);
  }

  // The number of pages drawn.
  Result<int> paint() {
    y_ = kMargin;
    title();
    for (const auto& section : document_.sections) paint(section);
    end_page();
    cairo_surface_finish(surface_.get());
    if (cairo_surface_status(surface_.get()) != CAIRO_STATUS_SUCCESS)
      return Error{ErrorKind::exhausted,
                   "document.pdf.failed",
                   {{"reason", cairo_status_to_string(cairo_surface_status(surface_.get()))}}};
    return page_;
  }

 private:
  double bottom() const { return height_ - kMargin - kFooter; }
  double inner() const { return width_ - 2 * kMargin; }

  Layout layout(const std::string& text, double size, bool bold, double width) const {
    Layout made(pango_cairo_create_layout(cairo_.get()));
    const std::unique_ptr<PangoFontDescription, Free> font(pango_font_description_new());
    pango_font_description_set_family(font.get(), kFont);
    pango_font_description_set_absolute_size(font.get(), size * PANGO_SCALE);
    if (bold) pango_font_description_set_weight(font.get(), PANGO_WEIGHT_BOLD);
    pango_layout_set_font_description(made.get(), font.get());
    pango_layout_set_width(made.get(), static_cast<int>(width * PANGO_SCALE));
    pango_layout_set_wrap(made.get(), PANGO_WRAP_WORD_CHAR);
    const auto fit = drawable(text);
    pango_layout_set_text(made.get(), fit.c_str(), static_cast<int>(fit.size()));
    return made;
  }

  static double height_of(const Layout& layout) {
    int width = 0, height = 0;
    pango_layout_get_size(layout.get(), &width, &height);
    return static_cast<double>(height) / PANGO_SCALE;
  }

  void show(const Layout& layout, double x, double y) const {
    cairo_move_to(cairo_.get(), x, y);
    pango_cairo_show_layout(cairo_.get(), layout.get());
  }

  void write(const std::string& text, double size, bool bold, double after) {
    const auto made = layout(text, size, bold, inner());
    if (y_ + height_of(made) > bottom()) new_page();
    show(made, kMargin, y_);
    y_ += height_of(made) + after;
  }

  void title() {
    const double top = y_;
    write(document_.facility, 10, false, 2);
    write(document_.title, 16, true, 6);
    for (const auto& line : document_.subtitle) write(line, 9, false, 1);
    if (!document_.check.empty()) qr(document_.check, width_ - kMargin - 46, top, 46);
    if (!document_.check.empty())
      show(layout(document_.check, 6, false, 90), width_ - kMargin - 54, top + 48);
    y_ = std::max(y_ + 8, document_.check.empty() ? 0 : top + 64);
  }

  void qr(const std::string& text, double x, double y, double size) const {
    const std::unique_ptr<QRcode, Free> code(
        QRcode_encodeString(text.c_str(), 0, QR_ECLEVEL_M, QR_MODE_8, 1));
    if (!code) return;
    const double dot = size / code->width;
    for (int row = 0; row < code->width; ++row)
      for (int column = 0; column < code->width; ++column)
        if (code->data[row * code->width + column] & 1)
          cairo_rectangle(cairo_.get(), x + column * dot, y + row * dot, dot, dot);
    cairo_fill(cairo_.get());
  }

  void end_page() {
    ++page_;
    const double y = height_ - kMargin - 10;
    show(layout(document_.footer, 7.5, false, inner() * 0.8), kMargin, y);
    const auto number = layout(fmt::format("{} / {}", page_, pages_), 8, false, 80);
    pango_layout_set_alignment(number.get(), PANGO_ALIGN_RIGHT);
    show(number, width_ - kMargin - 80, y);
    cairo_show_page(cairo_.get());
  }

  void new_page() {
    end_page();
    y_ = kMargin;
    show(layout(document_.facility + "　" + document_.title, 8, false, inner()), kMargin, y_);
    y_ += 16;
  }

  void paint(const PdfSection& section) {
    if (!section.heading.empty()) {
      // A code and what it stands for belong on one page.
      double needed = 60;
      if (!section.qr.empty()) {
        needed = 24 + kQr;
        for (const auto& paragraph : section.paragraphs)
          needed += height_of(layout(paragraph, 9.5, false, inner())) + 3;
      }
      if (y_ + needed > bottom() && y_ > kMargin + 60) new_page();
      write(section.heading, 11.5, true, 4);
    }
    for (const auto& paragraph : section.paragraphs) write(paragraph, 9.5, false, 3);
    if (!section.qr.empty()) {
      if (y_ + kQr > bottom()) new_page();
      qr(section.qr, kMargin, y_, kQr);
      y_ += kQr + 4;
    }
    if (!section.table.columns.empty()) paint(section.table);
    y_ += 8;
  }

  void paint(const PdfTable& table) {
    const double total =
        std::accumulate(table.columns.begin(), table.columns.end(), 0.0,
                        [](double sum, const PdfColumn& column) { return sum + column.weight; });
    std::vector<double> widths;
    for (const auto& column : table.columns) widths.push_back(inner() * column.weight / total);
    std::vector<std::string> headings;
    for (const auto& column : table.columns) headings.push_back(column.heading);
    row(headings, widths, true);
    for (const auto& cells : table.rows) {
      const double needed = row_height(cells, widths, false);
      if (y_ + needed > bottom() && y_ > kMargin + 60) {
        new_page();
        row(headings, widths, true);
      }
      row(cells, widths, false);
    }
  }

  double row_height(const std::vector<std::string>& cells, const std::vector<double>& widths,
                    bool heading) const {
    double height = 0;
    for (std::size_t i = 0; i < widths.size(); ++i)
      height = std::max(
          height, height_of(layout(i < cells.size() ? cells[i] : "", 8, heading, widths[i] - 2 * kPadding)));
    return height + 2 * kPadding;
  }

  void row(const std::vector<std::string>& cells, const std::vector<double>& widths, bool heading) {
    std::vector<Layout> layouts;
    double height = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      layouts.push_back(layout(i < cells.size() ? cells[i] : "", 8, heading, widths[i] - 2 * kPadding));
      height = std::max(height, height_of(layouts.back()));
    }
    height += 2 * kPadding;
    double x = kMargin;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      cairo_rectangle(cairo_.get(), x, y_, widths[i], height);
      if (heading) {
        cairo_set_source_rgb(cairo_.get(), 0.93, 0.93, 0.93);  // readable in black and white
        cairo_fill_preserve(cairo_.get());
      }
      cairo_set_source_rgb(cairo_.get(), 0.35, 0.35, 0.35);
      cairo_stroke(cairo_.get());
      cairo_set_source_rgb(cairo_.get(), 0, 0, 0);
      show(layouts[i], x + kPadding, y_ + kPadding);
      x += widths[i];
    }
    y_ += height;
  }

  const PdfDocument& document_;
  double width_, height_;
  std::unique_ptr<cairo_surface_t, Free> surface_;
  std::unique_ptr<cairo_t, Free> cairo_;
  int pages_;
  int page_ = 0;
  double y_ = 0;
};

}  // namespace

Result<std::string> draw_pdf(const PdfDocument& document) {
  static Mutex fonts;  // fontconfig's set-up is not safe from several threads
  const MutexLock lock(fonts);
  // Twice: how many pages there are is known only after the first time.
  std::string draft, out;
  const int pages = MAMORI_TRY(Painter(document, draft, 0).paint());
  MAMORI_TRY(Painter(document, out, pages).paint());
  return out;
}

}  // namespace mamori::document
