#include <torch/script.h>
extern "C" int cleanai_probe() { return 1; }
