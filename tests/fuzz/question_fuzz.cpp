#include "store/question.h"

// Whatever is let through is one SELECT without comment, second statement or quoted name.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto question = mamori::store::parse_question({reinterpret_cast<const char*>(data), size});
  if (!question) return 0;
  MAMORI_ASSERT(question->words.contains("select") || question->words.contains("with"));
  bool quoted = false;
  for (const char c : question->sql) {
    if (c == '\'') quoted = !quoted;
    if (!quoted) MAMORI_ASSERT(c != ';' && c != '"' && c != '`');
  }
  return 0;
}
