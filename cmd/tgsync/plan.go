package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

const planUsage = `usage: tgsync plan --lbc-args "ARGS"
       tgsync plan --lbc-args -- ARG...

  prints the environment variables for a command line of the AWS Load Balancer
  Controller, as in its Deployment; what has no setting is told in comments
`

// plan runs the subcommand of this name and returns the exit code.
func plan(args []string) int {
	words, err := lbcArgs(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n%s", err, planUsage)
		return exitUsage
	}
	if err := translateArgs(os.Stdout, words); err != nil {
		fmt.Fprintf(os.Stderr, "tgsync plan: %v\n", err)
		return exitFailed
	}
	return 0
}

// lbcArgs returns the command line that follows --lbc-args: one string, or all that
// comes after a --.
func lbcArgs(args []string) ([]string, error) {
	if len(args) == 0 {
		return nil, errors.New("--lbc-args is missing")
	}
	line, joined := strings.CutPrefix(args[0], "--lbc-args=")
	switch {
	case joined && len(args) == 1:
		return splitWords(line)
	case args[0] != "--lbc-args" || len(args) == 1:
		return nil, fmt.Errorf("what is %q?", strings.Join(args, " "))
	case args[1] == "--":
		return args[2:], nil
	case len(args) == 2:
		return splitWords(args[1])
	}
	return nil, fmt.Errorf("what is %q? Quote the whole command line, or put -- before it", strings.Join(args[2:], " "))
}
