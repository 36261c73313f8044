"""The traced estimate: every executed block of instructions under QEMU, costed by LLVM's model of the core."""
