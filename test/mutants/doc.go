// Command mutants breaks each rule of the product in turn and lists the test that
// noticed. A rule whose mutant survives is a rule that nobody checks.
//
// # How a mutant is run
//
//	mutant.go   rules/*.yaml -> mutants; a mutant and its file -> the broken text
//	run.go      one mutant: an overlay in a directory of its own, go test, once per package
//	verdict.go  what go test printed -> killed by a test, or not
//	report.go   all mutants, a few at a time -> a table in the order of the files
//
// No file of the product is touched and no build tag stands in it: go test -overlay
// compiles the broken text in the place of the file. First the same tests are run with
// nothing broken, since a test that always fails notices everything.
//
// # How to add one
//
// Add an entry to the file of its area in rules, or make a new file there:
//
//	# The rule in words, one sentence.
//	- name: fence-margin
//	  rule: The fence closes before the Lease ends.
//	  file: syncer/lease/fence.go
//	  old: duration - Margin(duration)
//	  new: duration
//
// Old has to stand in the file exactly once; one line of it, if possible. Name is
// unique within its file of rules. These fields are for those who need them:
//
//	packages   directories whose tests are to notice, in this order; the file's own
//	           if left out
//	run        the tests that are run, as in go test -run; all if left out
//	hangs      the broken code never ends: after so long (5s) it counts as noticed
//	behaviour  what of the AWS Load Balancer Controller's users rely on it, one of the
//	           list in mutant.go
//
// Then make mutants MUTANTS=lease/fence-margin. go test ./test/mutants checks that
// every entry still applies, without running any.
//
// # Words
//
//	mutant    the product with one rule broken
//	killed    a test failed because of it
//	survived  all tests passed: one is missing
package main
