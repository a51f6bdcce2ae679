# vector_hnsw: HNSW index access method for PostgreSQL
#
#   make, make install, make installcheck      as with every PGXS extension
#   make unit [UNIT_SANITIZE=1] [UNIT=name]    C unit tests, no server
#   make fuzz [FUZZ_SECONDS=n]                 fuzzing, with clang, no server
#   make tap [PROVE_TESTS=test/t/...]          TAP tests, servers of their own
#   make dist                                  release archive
#
# PG_CONFIG=...       the PostgreSQL to build for
# with_llvm=no        no bitcode (needs no clang)
# WERROR=1            more warnings, and all of them errors
# ASSERTS=1           Assert() on, whatever the server was built with
# SANITIZE=undefined  sanitizer in the extension
# TEST_POINTS=1       places where tests make a backend wait or fail; chooses
#                     the tests that need them

EXTENSION = vector_hnsw
EXTVERSION = 0.1.0

MODULE_big = vector_hnsw
PGFILEDESC = "vector_hnsw - HNSW index access method"
SOURCES := $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SOURCES:.c=.o)
DATA := $(sort $(wildcard vector_hnsw--*.sql))

# The interface for operator classes of other extensions
HEADERS = src/hnsw_opclass.h src/hnsw_vector.h

# These spend their time in loops over numbers
OPTFLAGS ?= -O3
HOT_SOURCES := $(filter src/types/% src/distance/% src/quantize/% \
	src/graph/% src/pages/%,$(SOURCES))

# These need no server, and say so by including portable.h
PORTABLE_SOURCES := $(shell grep -l '^.include "portable.h"' $(SOURCES) \
	/dev/null)

PG_CPPFLAGS = -I$(srcdir)/src
PG_CFLAGS = -fvisibility=hidden -MMD -MP

WARNINGS = -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes \
	-Wdeclaration-after-statement -Werror
ifdef WERROR
PG_CFLAGS += $(WARNINGS)
endif
ifdef ASSERTS
PG_CPPFLAGS += -DUSE_ASSERT_CHECKING=1
endif
ifdef TEST_POINTS
PG_CPPFLAGS += -DHNSW_TEST_POINTS
endif
ifdef SANITIZE
PG_CFLAGS += -g -fno-omit-frame-pointer -fsanitize=$(SANITIZE)
SHLIB_LINK += -fsanitize=$(SANITIZE)
endif

# Tests: see docs/development.md.  A variable that PGXS tests with ifdef is
# left undefined when there is nothing to run.
REGRESS_FILES := $(sort $(wildcard sql/*.sql))
ifneq ($(REGRESS_FILES),)
REGRESS := $(REGRESS_FILES:sql/%.sql=%)
REGRESS_OPTS = --load-extension=$(EXTENSION)
endif

ifdef TEST_POINTS
ISOLATION_FILES := $(sort $(wildcard test/specs/*.spec))
endif
ifneq ($(ISOLATION_FILES),)
ISOLATION := $(ISOLATION_FILES:test/specs/%.spec=%)
ISOLATION_OPTS = --load-extension=$(EXTENSION) --inputdir=test
endif

PROVE_TESTS ?= $(if $(TEST_POINTS),test/points/*.pl,test/t/*.pl)

UNIT_BUILD = test/unit/build
EXTRA_CLEAN = $(OBJS:.o=.d) $(UNIT_BUILD) $(FUZZ_BUILD) tmp_check

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(HOT_SOURCES:.c=.o): override CFLAGS += $(OPTFLAGS)

# The compiler writes the headers each object needs beside it; bitcode is
# made anew when its object is.
-include $(OBJS:.o=.d)
$(OBJS): Makefile
$(OBJS:.o=.bc): %.bc: %.o

.PHONY: tap unit fuzz fuzz-check dist

tap:
	$(prove_installcheck)

# Unit tests: each test/unit/*_test.c is a program, linked with the sources that
# need no server.
ifdef UNIT_SANITIZE
UNIT_DIR = $(UNIT_BUILD)/sanitized
UNIT_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined
else
UNIT_DIR = $(UNIT_BUILD)/plain
UNIT_CFLAGS = -g $(OPTFLAGS)
endif

UNIT ?= *
UNIT_TESTS := $(patsubst test/unit/%.c,%,\
	$(sort $(wildcard test/unit/$(UNIT)_test.c)))
UNIT_LIBRARY = $(UNIT_DIR)/portable.a
UNIT_OBJS := $(PORTABLE_SOURCES:%.c=$(UNIT_DIR)/%.o)
UNIT_COMPILE = $(CC) $(UNIT_CFLAGS) $(if $(WERROR),$(WARNINGS)) -MMD -MP \
	-DFRONTEND -DUSE_ASSERT_CHECKING=1 -Itest/unit $(CPPFLAGS)
UNIT_LIBS = -L$(pkglibdir) -L$(libdir) -lpgcommon -lpgport -lm -pthread

unit: $(UNIT_TESTS:%=$(UNIT_DIR)/%)
	@set -e; for test in $^; do echo "# $$test"; $$test; done

$(UNIT_DIR)/%_test: test/unit/%_test.c $(UNIT_LIBRARY)
	@$(MKDIR_P) $(@D)
	$(UNIT_COMPILE) $< $(UNIT_LIBRARY) $(UNIT_LIBS) -o $@

$(UNIT_LIBRARY): $(UNIT_OBJS)
	@rm -f $@
	$(AR) crs $@ $^

$(UNIT_DIR)/src/%.o: src/%.c Makefile
	@$(MKDIR_P) $(@D)
	$(UNIT_COMPILE) -c $< -o $@

-include $(UNIT_OBJS:.o=.d) $(UNIT_TESTS:%=$(UNIT_DIR)/%.d)

# Fuzzing: the types' input functions with just as much of a server as they
# call.  What is found is kept beside the program, not in the corpus.
FUZZ_CC ?= $(firstword $(CLANG) clang)
FUZZ_SECONDS ?= 20
FUZZ_BUILD = test/fuzz/build
FUZZ_SOURCES := $(wildcard test/fuzz/*.c src/distance/*.c) \
	$(patsubst %,src/types/%.c,dense dense_text format_float kind parse_float \
	sparsevec text)
FUZZ_CFLAGS = -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-Wno-ignored-attributes

fuzz: $(FUZZ_BUILD)/types_fuzz
	@$(MKDIR_P) $(FUZZ_BUILD)/corpus
	$< -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=4096 \
		-dict=test/fuzz/types.dict -artifact_prefix=$(FUZZ_BUILD)/ \
		-print_final_stats=1 $(FUZZ_BUILD)/corpus test/fuzz/corpus

# Can the compiler do it?
fuzz-check:
	@$(MKDIR_P) $(FUZZ_BUILD)
	@echo 'int LLVMFuzzerTestOneInput(const char *s, unsigned long n) \
		{ return 0; }' | $(FUZZ_CC) -w -fsanitize=fuzzer,address -x c - \
		-o $(FUZZ_BUILD)/check

$(FUZZ_BUILD)/types_fuzz: $(FUZZ_SOURCES) Makefile
	@$(MKDIR_P) $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(CPPFLAGS) -Itest/fuzz \
		-DUSE_ASSERT_CHECKING=1 $(FUZZ_SOURCES) $(UNIT_LIBS) -o $@

dist:
	git archive --format zip --prefix=$(EXTENSION)-$(EXTVERSION)/ \
		-o $(EXTENSION)-$(EXTVERSION).zip HEAD
