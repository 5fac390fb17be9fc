// The namespace of everything in this folder: the tests compile the same sources for an emulated
// device, under another name, and both can be in one program.
#pragma once

#ifndef FALCONER_GPU
#define FALCONER_GPU cuda
#endif
