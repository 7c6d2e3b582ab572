/** Goes with every output that a clinician may see. */
export const RESEARCH_USE = 'Research use only; not a medical device.';
