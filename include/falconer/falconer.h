// Falconer as a library: everything that the program can do. Paths and names are as on the command
// line; wrong input throws falconer::Error; progress goes to stderr.
#pragma once

#include "falconer/checkpoint.h"
#include "falconer/compare.h"
#include "falconer/data.h"
#include "falconer/error.h"
#include "falconer/finetune.h"
#include "falconer/process.h"
#include "falconer/ranks.h"
#include "falconer/selftest.h"
#include "falconer/serve.h"
#include "falconer/settings.h"
#include "falconer/use.h"
#include "falconer/watch.h"
