// What is measured, as a task file says it; handed on to the layers above.
#pragma once

#include "task/task.h"  // IWYU pragma: export
