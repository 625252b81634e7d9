// Package takeover proves that a cluster which the AWS Load Balancer Controller (LBC) has
// provisioned needs no change when tgsync takes its place, and that LBC finds again what
// tgsync has changed since.
//
//	testdata/cluster.yaml  what users have applied, with all that LBC writes into it
//	lbc_test.go            LBC's names, hashes, tags and descriptions, worked out anew
//	account_test.go        what LBC has made of the cluster in AWS, listed by hand
//	daemon_test.go         what a leader of tgsync runs, all of it
//	takeover_test.go       what it does then: nothing
//
// Nothing here asks the product what LBC would do: an error there would hide itself. The
// account is filled with the SDK, as LBC fills it.
package takeover
