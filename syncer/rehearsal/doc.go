// Package rehearsal lets the daemon's parts play to an empty house: they read what is
// there and believe that what they write is done, and nothing is changed.
//
//	aws.go         reads go to AWS, writes are answered as AWS would
//	targets.go     targets: what was registered and deregistered shows in what is read
//	kubernetes.go  writes go to the API server as dry runs
//	sign.go        what a step in words comes to: +, ~ or -
//	log.go         what is done again and again is said once
//
// What is made in a rehearsal has an ARN or ID that begins with Prefix. Who reads it
// finds it as empty as it would be just after it was made.
package rehearsal
