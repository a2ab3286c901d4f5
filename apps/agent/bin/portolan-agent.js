#!/usr/bin/env node
import '../dist/bundle/portolan-agent.js';
