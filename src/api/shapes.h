// Shapes that several resources share.
#pragma once

#include "api/shape.h"

namespace mamori::api {

Shape user_shape();
Shape record_shape();
Shape journal_entry_shape();
Shape record_change_shape();  // of one record: its fields
Shape field_shape();
Shape verdict_shape();
Shape record_ref_shape();
Shape evidence_shape();
Shape control_shape();  // what was measured, with its records and evidence

}  // namespace mamori::api
