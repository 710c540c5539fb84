// A question as a condition over the columns of `event`, with the meaning that query.h gives it.
#pragma once

#include "archive/query.h"

namespace mamori::archive {

std::string condition_of(const Query& query);

}  // namespace mamori::archive
